"use strict";
// Sends what a form of the page says, with the token that was typed, and shows what came back.
const token = document.getElementById("token");

function request(form) {
  let place = form.dataset.path;
  const query = new URLSearchParams();
  const sent = { method: form.dataset.method, headers: {}, credentials: "omit", cache: "no-store", redirect: "error" };
  if (token.value) sent.headers["Authorization"] = `Bearer ${token.value.trim()}`;
  for (const field of form.querySelectorAll("[data-in]")) {
    if (field.value === "") continue;
    const into = field.dataset.in;
    if (into === "path") place = place.replace(`{${field.name}}`, encodeURIComponent(field.value));
    if (into === "query") query.set(field.name, field.value);
    if (into === "header") sent.headers[field.name] = field.value;
    if (into === "body") {
      sent.body = field.value;
      sent.headers["Content-Type"] = "application/json";
    }
  }
  return [query.size ? `${place}?${query}` : place, sent];
}

async function ask(form) {
  const output = form.querySelector("output");
  output.textContent = "…";
  try {
    const reply = await fetch(...request(form));
    const said = await reply.text();
    let shown = said;
    try { shown = JSON.stringify(JSON.parse(said), null, 2); } catch { /* shown as it came */ }
    output.textContent = `${reply.status} ${reply.headers.get("content-type") ?? ""}\n${shown}`;
  } catch (error) {
    output.textContent = String(error);
  }
}

for (const form of document.querySelectorAll("form[data-method]")) {
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    ask(form);
  });
}
