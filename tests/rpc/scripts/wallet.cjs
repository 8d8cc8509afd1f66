// Runs the page's script as a browser with a wallet does, or without one; prints what happened as JSON.
"use strict";
const vm = require("node:vm");
const [script, network, wallet] = process.argv.slice(2);

const asked = [];
const ethereum = {
  request: async (request) => {
    asked.push(request);
    if (wallet === "refuses") throw new Error("no");
  },
};
const elements = {
  add: { hidden: true, addEventListener: (_, listener) => (elements.add.press = listener) },
  said: { textContent: "" },
  network: { textContent: network },
};
const window = wallet === "none" ? {} : { ethereum };
vm.runInNewContext(script, { window, document: { getElementById: (id) => elements[id] } });

(async () => {
  await elements.add.press?.();
  process.stdout.write(JSON.stringify({ asked, hidden: elements.add.hidden, said: elements.said.textContent }));
})();
