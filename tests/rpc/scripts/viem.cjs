// What a user of viem writes: node viem.cjs PACKAGES URL GIVEN, where GIVEN is JSON; prints what it saw as JSON.
"use strict";
const { createRequire } = require("node:module");
const [packages, url, given] = process.argv.slice(2);
const from = createRequire(`${packages}/x.js`);
const viem = from("viem");
const { privateKeyToAccount } = from("viem/accounts");

const { key, abi, bytecode, chainId, messages, forged } = JSON.parse(given);

const pause = (milliseconds) => new Promise((next) => setTimeout(next, milliseconds));

async function story() {
  const account = privateKeyToAccount(key);
  const chain = viem.defineChain({
    id: chainId,
    name: "CareLedger",
    nativeCurrency: { name: "none", symbol: "NONE", decimals: 18 },
    rpcUrls: { default: { http: [url] } },
  });
  const reader = viem.createPublicClient({ chain, transport: viem.http(), pollingInterval: 50 });
  const sender = viem.createWalletClient({ account, chain, transport: viem.http() });
  const seen = { chainId: await reader.getChainId(), fees: await reader.estimateFeesPerGas() };

  const deployed = await reader.waitForTransactionReceipt({ hash: await sender.deployContract({ abi, bytecode }) });
  const address = deployed.contractAddress;
  const consents = { address, abi };
  seen.deployed = { status: deployed.status, type: deployed.type, gasUsed: deployed.gasUsed, address };

  const event = await reader.createContractEventFilter({ ...consents, eventName: "ConsentGivenV1" });
  const blocks = await reader.createBlockFilter();
  const pending = await reader.createPendingTransactionFilter();
  const before = await reader.getBlockNumber();
  const watched = [];
  const stop = reader.watchContractEvent({ ...consents, onLogs: (logs) => watched.push(...logs) });
  await pause(500); // it begins to watch with its first look

  const estimate = await reader.estimateContractGas({ ...consents, functionName: "give", args: [messages[0]], account });
  const modern = await sender.writeContract({ ...consents, functionName: "give", args: [messages[0]] });
  const old = await sender.writeContract({
    ...consents, functionName: "give", args: [messages[1]], type: "legacy", gasPrice: 0n,
  });
  const receipts = [];
  for (const hash of [modern, old]) receipts.push(await reader.waitForTransactionReceipt({ hash }));
  seen.given = receipts.map(({ status, type, gasUsed }) => ({ status, type, gasUsed }));
  seen.estimate = estimate;

  seen.events = (await reader.getContractEvents({ ...consents, fromBlock: 0n, strict: true })).map(
    (log) => [log.eventName, log.args.commitment, log.logIndex],
  );
  seen.filtered = (await reader.getFilterChanges({ filter: event })).map((log) => log.args.commitment);
  seen.again = await reader.getFilterChanges({ filter: event });
  seen.blocks = (await reader.getFilterChanges({ filter: blocks })).length;
  seen.pending = await reader.getFilterChanges({ filter: pending });
  seen.sent = [modern, old];
  seen.removed = await reader.uninstallFilter({ filter: event });

  const owner = messages[0].owner;
  const state = (blockNumber) =>
    reader.readContract({ ...consents, functionName: "consent", args: [owner, messages[0].commitment], blockNumber });
  seen.states = [(await state(before)).state, (await state()).state];

  try {
    await reader.simulateContract({ ...consents, functionName: "give", args: [forged], account });
  } catch (error) {
    seen.reason = error.walk((cause) => cause instanceof viem.ContractFunctionRevertedError).reason;
  }
  try {
    const request = await sender.prepareTransactionRequest({ to: address, data: "0x", gas: 21_000n, nonce: 0 });
    await sender.sendRawTransaction({ serializedTransaction: await sender.signTransaction(request) });
  } catch (error) {
    seen.refused = error.walk().code ?? error.walk().cause?.code ?? error.details;
  }
  const many = viem.createPublicClient({ chain, transport: viem.http(url, { batch: true }) });
  seen.batch = await Promise.all([0n, 1n, 2n].map(async (blockNumber) => (await many.getBlock({ blockNumber })).number));
  const block = await reader.getBlock({ blockNumber: before + 1n, includeTransactions: true });
  seen.whole = block.transactions.map(({ hash, typeHex, to }) => [hash, typeHex, to]);
  for (let tries = 0; watched.length < 2 && tries < 200; tries += 1) await pause(50);
  stop();
  seen.watched = watched.map((log) => log.args.commitment);
  seen.bytecode = await reader.getCode({ address });
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
