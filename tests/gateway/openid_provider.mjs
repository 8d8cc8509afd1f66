// oidc-provider as an organisation might run it: node openid_provider.mjs MODULE PORT SETTINGS, all in JSON.
const [module, port, settings] = process.argv.slice(2);
const { Provider } = await import(module);
const { clients, people } = JSON.parse(settings);
const provider = new Provider(`http://127.0.0.1:${port}`, {
  clients,
  claims: { openid: ["sub"], profile: ["name", "preferred_username", "groups"], email: ["email", "email_verified"] },
  conformIdTokenClaims: false,
  features: { backchannelLogout: { enabled: true } },
  findAccount: (ctx, id) => ({ accountId: id, claims: () => ({ sub: id, ...people[id] }) }),
  cookies: { keys: ["a key of this test alone"] },
  fetch: (url, { dispatcher, ...how }) => globalThis.fetch(url, how), // it asks no loopback otherwise
});
provider.listen(Number(port), "127.0.0.1", () => console.log("listening"));
