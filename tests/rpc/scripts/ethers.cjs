// What a user of ethers writes: node ethers.cjs PACKAGES URL GIVEN, where GIVEN is JSON; prints what it saw as JSON.
"use strict";
const { createRequire } = require("node:module");
const [packages, url, given] = process.argv.slice(2);
const { ethers } = createRequire(`${packages}/x.js`)("ethers");

const { key, abi, bytecode, messages, forged } = JSON.parse(given);

const pause = (milliseconds) => new Promise((next) => setTimeout(next, milliseconds));

async function story() {
  // Blocks come at once here, so a head that ethers remembers for a quarter of a second may lack one's own block.
  const provider = new ethers.JsonRpcProvider(url, undefined, { polling: true, pollingInterval: 50, cacheTimeout: -1 });
  const wallet = new ethers.Wallet(key, provider);
  const seen = { chainId: (await provider.getNetwork()).chainId, fees: await provider.getFeeData() };

  const made = await new ethers.ContractFactory(abi, bytecode, wallet).deploy();
  await made.waitForDeployment();
  const consents = new ethers.Contract(await made.getAddress(), abi, wallet);
  seen.address = await made.getAddress();
  const heard = [];
  await consents.on("ConsentGivenV1", (commitment) => heard.push(commitment));
  await pause(500); // it begins to listen with its first look

  seen.estimate = await consents.give.estimateGas(messages[0]);
  const modern = await (await consents.give(messages[0], { type: 2, maxFeePerGas: 0, maxPriorityFeePerGas: 0 })).wait();
  const old = await (await consents.give(messages[1], { type: 0, gasPrice: 0 })).wait();
  seen.given = [modern, old].map(({ status, type, gasUsed }) => ({ status, type, gasUsed }));
  seen.events = (await consents.queryFilter("ConsentGivenV1", 0)).map((log) => [log.args.commitment, log.index]);
  const state = async (blockTag) =>
    (await consents.consent(messages[0].owner, messages[0].commitment, { blockTag })).state;
  seen.states = [await state(modern.blockNumber - 1), await state("latest"), await state("pending")];

  try {
    await consents.give.staticCall(forged);
  } catch (error) {
    seen.reason = error.reason;
  }
  try {
    await consents.give(forged);
  } catch (error) {
    seen.reasonOfSending = error.reason;
  }
  const failed = await consents.give(forged, { gasLimit: 200_000 });
  seen.failed = (await failed.wait().catch((error) => error.receipt)).status;
  try {
    await provider.broadcastTransaction(
      await wallet.signTransaction({ chainId: seen.chainId, to: seen.address, gasLimit: 30_000, gasPrice: 0, nonce: 0, type: 0 }),
    );
  } catch (error) {
    seen.refused = [error.code, error.info?.error?.code ?? error.error?.code];
  }
  seen.batch = await Promise.all([0, 1, 2].map(async (number) => (await provider.getBlock(number)).number));
  seen.whole = (await provider.getBlock(modern.blockNumber, true)).prefetchedTransactions.map(({ hash }) => hash);
  seen.sent = modern.hash;
  for (let tries = 0; heard.length < 2 && tries < 200; tries += 1) await pause(50);
  seen.heard = heard;
  await consents.removeAllListeners();
  return seen;
}

const plain = (_, value) => (typeof value === "bigint" ? Number(value) : value);
story().then(
  (seen) => process.stdout.write(JSON.stringify(seen, plain), () => process.exit(0)),
  (error) => {
    process.stderr.write(`${error.stack}\n`);
    process.exitCode = 1;
  },
);
