"use strict";
// Everything is written as text, never as markup; what an extension of a passkey gave never leaves this page.

const here = (id) => document.getElementById(id);

function say(text, wrong = false) {
  // To where it is read: what was pressed may lie far below it, or be gone.
  const said = here("said");
  said.textContent = text;
  said.classList.toggle("wrong", wrong);
  if (text) said.focus();
}

const ask = (method, path, body) => asked(method, "/identity" + path, body);

async function asked(method, path, body) {
  const request = { method, credentials: "same-origin", cache: "no-store", headers: {} };
  if (body !== undefined) {
    request.headers["Content-Type"] = "application/json";
    request.body = JSON.stringify(body);
  }
  const reply = await fetch(path, request).catch(() => {
    throw new Error("The gateway does not answer. Try again in a moment.");
  });
  const text = await reply.text();
  const said = text ? JSON.parse(text) : null;
  if (!reply.ok) throw Object.assign(new Error(said.detail || said.title), { status: reply.status });
  return said;
}

function organisation() {
  if (!here("organisation").value) throw new Error("Choose your organisation first.");
  return here("organisation").value;
}

const fields = (form) => Object.fromEntries(new FormData(form));

function withoutExtensions(credential) {
  const said = credential.toJSON();
  said.clientExtensionResults = {};
  return said;
}

async function made(options) {
  const publicKey = PublicKeyCredential.parseCreationOptionsFromJSON(options);
  return withoutExtensions(await navigator.credentials.create({ publicKey }));
}

async function shown(options) {
  const publicKey = PublicKeyCredential.parseRequestOptionsFromJSON(options);
  return withoutExtensions(await navigator.credentials.get({ publicKey }));
}

// What a browser says of a passkey, in words that say what to do.
const PASSKEYS = {
  NotAllowedError: "No passkey was shown: it was not allowed, was stopped, took too long, or this device has none for this page.",
  InvalidStateError: "This device has a passkey for this account already.",
  SecurityError: "A passkey belongs to a name: open this page by the address that your organisation gave you.",
  ReferenceError: "This browser has no passkeys. Use another one, or a password.",
};

async function signUp() {
  const person = fields(here("sign-up"));
  const options = await ask("POST", "/sign-up/options", { organisation: organisation() });
  const place = here("organisation").selectedOptions[0].text;
  // Only this device reads it, where several passkeys are offered.
  options.publicKey.user.name = options.publicKey.user.displayName = `${person.name}, ${place}`;
  const credential = await made(options.publicKey);
  const said = await ask("POST", "/sign-up", { organisation: organisation(), credential, ...person }).catch(async (error) => {
    if (error.status < 500) await dropped(options.publicKey.rp.id, credential.id);
    throw error;
  });
  await show(`Signed up. Your sign-in name is ${said.sign_in_name}.`);
}

async function dropped(rpId, credentialId) {
  // Nothing came of it, so that it is not to be offered at sign-in, where the browser can hide it.
  if (PublicKeyCredential.signalUnknownCredential) {
    await PublicKeyCredential.signalUnknownCredential({ rpId, credentialId }).catch(() => undefined);
  }
}

let challenge = "";

async function showSecret() {
  const options = await ask("POST", "/sign-up/options", { organisation: organisation(), by: "password" });
  challenge = options.challenge;
  here("secret").textContent = options.totp;
}

async function signUpByPassword() {
  if (!here("sign-up").reportValidity()) return;
  if (!challenge) throw new Error("Let your authenticator app take the secret first: Show what my authenticator app needs.");
  const person = fields(here("sign-up"));
  const proof = { challenge, ...fields(here("sign-up-password")) };
  const said = await ask("POST", "/sign-up", { organisation: organisation(), ...person, ...proof });
  here("secret").textContent = "";
  await show(`Signed up. Your sign-in name is ${said.sign_in_name}. Write down your recovery codes, each good once: `
    + said.recovery_codes.join(", "));
}

async function signInByPasskey() {
  const options = await ask("POST", "/sign-in/options", { organisation: organisation() });
  const credential = await shown(options.publicKey);
  await ask("POST", "/sign-in", { organisation: organisation(), credential });
  await show("Signed in.");
}

async function signInByPassword() {
  await ask("POST", "/sign-in", { organisation: organisation(), ...fields(here("by-password")) });
  await show("Signed in.");
}

async function again() {
  const options = await ask("POST", "/step-up/options", {});
  await ask("POST", "/step-up", { credential: await shown(options.publicKey) });
  await show("Proved again.");
}

async function more() {
  const options = await ask("POST", "/passkeys/options", {});
  await ask("POST", "/passkeys", { credential: await made(options.publicKey) });
  await show("Added.");
}

function links(place, words, those) {
  const made = (each) => Object.assign(document.createElement("a"), { href: each.address, textContent: words + each.name });
  here(place).replaceChildren(...those.map(made));
}

let organisations = [];

function chosen() {
  const found = organisations.find((each) => each.id === here("organisation").value);
  links("elsewhere", "Sign on at ", found ? found.sign_on : []);
}

function forget() {
  // Nothing of whoever was signed in stays on the page, whether or not the gateway is there to say so.
  for (const form of document.forms) if (form.id !== "where") form.reset();
  for (const id of ["me", "sessions", "apps", "people", "elsewhere-again", "secret", "said"]) here(id).replaceChildren();
  here("signed-in").hidden = true;
  for (const id of ["signed-out", "where"]) here(id).hidden = false;
}

async function signOut() {
  forget();
  const said = await ask("POST", "/sign-out", {});
  if (said) location.assign(said.elsewhere); else await show("Signed out.");
}

async function endOthers() {
  await ask("POST", "/sessions/end-others", {});
  await show("Ended.");
}

const button = (text, what) => {
  const made = Object.assign(document.createElement("button"), { textContent: text, type: "button" });
  made.addEventListener("click", () => act(what));
  return made;
};

function cell(title, ...parts) {
  const made = document.createElement("td");
  made.dataset.title = title;
  made.append(...parts);
  return made;
}

function row(titles, texts, end) {
  const line = document.createElement("tr");
  const last = end === null ? "this one" : button("End", async () => {
    await end();
    await show("Ended.");
  });
  line.append(...texts.map((text, at) => cell(titles[at], text)), cell("End", last));
  return line;
}

const time = (said) => new Date(said).toLocaleString();
const session = (each) => row(["Began", "Last seen", "Browser"], [time(each.began), time(each.seen), each.browser],
  each.here ? null : () => ask("DELETE", "/sessions/" + each.id));
const app = (each) => row(["App", "May", "Until"], [each.name, each.scopes, time(each.until)],
  () => asked("DELETE", "/api/v1/apps/" + each.id));

// Who waits for approval --------------------------------------------------------------------------

async function showWaiting() {
  const there = (await ask("GET", "/people")).items;
  here("people").replaceChildren(...there.map(person));
  say(there.length === 1 ? "1 person waits." : `${there.length} people wait.`);
}

function person(each) {
  const claim = each.claim;
  const who = claim ? [claim.name, claim.national_id, claim.birth].filter(Boolean).join(", ") : each.sign_in_name;
  const line = document.createElement("p");
  line.append(who, " ");
  if (claim) line.append(button("Look who it is", () => look(each, who, line)));
  return line;
}

async function look(each, who, line) {
  const alike = (await ask("POST", `/people/${each.id}/alike`, {})).items;
  const words = (one) => `It is patient ${one.patient.slice(0, 8)} (${one.why.replaceAll("-", " ")})`;
  const choices = [...alike.map((one) => [words(one), one.patient]), ["Register as a new patient", ""]];
  line.replaceChildren(who, " ", ...choices.map(([text, patient]) => button(text, async () => {
    await ask("POST", `/people/${each.id}/patient`, { patient });
    await show("Approved.");
  })));
  say(alike.length ? "This person may be registered already: compare before you choose." : "Nobody like this is registered yet.");
}

function described(me) {
  const said = [
    ["Sign-in name", me.sign_in_name],
    ["Approved", me.state === "active" ? "yes" : "not yet: the organisation has to approve who you are"],
    ["Proved by", me.proof === "passkey" ? "passkey" : "the organisation's word"],
    ["This session ends", time(me.until)],
  ];
  if (me.post) said.push(["Acts as", me.post]);
  return said.flatMap(([name, value]) => [
    Object.assign(document.createElement("dt"), { textContent: name }),
    Object.assign(document.createElement("dd"), { textContent: value }),
  ]);
}

async function show(text) {
  let me = null;
  try {
    me = await ask("GET", "/session");
  } catch (error) {
    if (error.status !== 401) throw error;
  }
  here("signed-out").hidden = me !== null;
  here("where").hidden = me !== null;
  here("signed-in").hidden = me === null;
  here("me").replaceChildren(...(me ? described(me) : []));
  links("elsewhere-again", "Prove it again at ", me && me.post ? me.sign_on : []);
  const there = me ? (await ask("GET", "/sessions")).items : [];
  here("sessions").replaceChildren(...there.map(session));
  const apps = me && me.post ? (await asked("GET", "/api/v1/apps?limit=200")).items : [];
  here("apps").replaceChildren(...apps.map(app));
  here("people").replaceChildren();
  here("with-people").hidden = !(me && me.post);
  here("with-apps").hidden = apps.length === 0;
  for (const id of ["sign-up", "sign-up-password", "by-password"]) here(id).reset();
  say(text);
}

async function act(what) {
  try {
    await what();
  } catch (error) {
    if (error.status === 401 && !here("signed-in").hidden) forget();
    say(PASSKEYS[error.name] || error.message, true);
  }
}

async function begin() {
  // A passkey belongs to a name, never to an address.
  if (["127.0.0.1", "[::1]"].includes(location.hostname)) return location.assign(location.href.replace(location.hostname, "localhost"));
  const there = (await ask("GET", "/organisations")).items;
  organisations = there;
  const first = there.length > 1 ? [new Option("Choose your organisation", "")] : [];
  here("organisation").replaceChildren(...first, ...there.map((each) => new Option(each.name, each.id)));
  const wanted = new URLSearchParams(location.search).get("organisation");
  if (there.some((each) => each.id === wanted)) here("organisation").value = wanted;
  chosen();
  await show("");
}

const FORMS = {
  "sign-up": signUp, "sign-up-password": signUpByPassword, "by-passkey": signInByPasskey, "by-password": signInByPassword,
  "again": again, "more": more, "others": endOthers, "sign-out": signOut, "waiting": showWaiting, "where": () => undefined,
};
for (const [id, what] of Object.entries(FORMS)) {
  here(id).addEventListener("submit", (event) => {
    event.preventDefault();
    act(what);
  });
}
here("organisation").addEventListener("change", chosen);
here("show-secret").addEventListener("click", () => act(showSecret));
act(begin);
