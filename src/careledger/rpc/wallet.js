"use strict";

const button = document.getElementById("add");
const said = document.getElementById("said");

async function add() {
  const network = JSON.parse(document.getElementById("network").textContent);
  try {
    await window.ethereum.request({ method: "wallet_addEthereumChain", params: [network] });
    said.textContent = "The wallet has it.";
  } catch (error) {
    said.textContent = `The wallet refused: ${error.message}`;
  }
}

if (window.ethereum) {
  button.hidden = false;
  button.addEventListener("click", add);
} else {
  said.textContent = "No wallet is installed in this browser.";
}
