// A client of OAuth and OpenID Connect does what apps and services do: node openid_client.mjs MODULE, told by a line of
// JSON; it says where a person is to go, is told where they came back to, and says what it was given, in JSON.
import { createInterface } from "node:readline";

const client = await import(process.argv[2]);
const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
const heard = async () => JSON.parse((await lines.next()).value);
const say = (said) => console.log(JSON.stringify(said));
const { issuer, base, service, app, redirect } = await heard();
const execute = [client.allowInsecureRequests];

const proof = async ({ key, kid }) => client.PrivateKeyJwt({
  key: await crypto.subtle.importKey("jwk", key, { name: "ECDSA", namedCurve: "P-384" }, false, ["sign"]), kid,
});
const found = async (who, algorithm) =>
  client.discovery(new URL(issuer), who.id, undefined, await proof(who), { execute, algorithm });
const told = {};

const loader = await found(service, "oauth2");
const given = await client.clientCredentialsGrant(loader, { scope: "system/*.rs" });
const active = async () => (await client.tokenIntrospection(loader, given.access_token)).active;
told.service = [given.scope, await active()];
await client.tokenRevocation(loader, given.access_token);
told.service.push(await active());

const chart = await found(app, "oidc");
const pkceCodeVerifier = client.randomPKCECodeVerifier();
const expectedNonce = client.randomNonce(), expectedState = client.randomState();
const scope = "openid fhirUser launch/patient patient/*.rs offline_access";
say(client.buildAuthorizationUrl(chart, {
  redirect_uri: redirect, scope, aud: base, state: expectedState, nonce: expectedNonce,
  code_challenge: await client.calculatePKCECodeChallenge(pkceCodeVerifier), code_challenge_method: "S256",
}));
const checks = { pkceCodeVerifier, expectedNonce, expectedState, idTokenExpected: true };
const tokens = await client.authorizationCodeGrant(chart, new URL(await heard()), checks);
told.claims = tokens.claims();
const renewed = await client.refreshTokenGrant(chart, tokens.refresh_token);
const read = new URL(`${base}/Patient/${renewed.patient}`);
told.read = (await client.fetchProtectedResource(chart, renewed.access_token, read, "GET")).status;
told.patient = renewed.patient;
say(told);
process.exit(0);
