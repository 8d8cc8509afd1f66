// Two clients of FHIR do what programs do with a server: node fhir_clients.mjs KIT MEDPLUM BASE TOKEN ALIAS; in JSON.
const [kitAt, medplumAt, base, token, alias] = process.argv.slice(2);
const { Client } = await import(kitAt);
const { MedplumClient } = await import(medplumAt);
const told = {};
const told_by = async (name, act) => {
  try { told[name] = await act(); } catch (error) { told[name] = `${error.response?.status ?? ""} ${error.message}`; }
};
const condition = (code, text = code) => ({
  resourceType: "Condition", subject: { reference: `Patient/${alias}` }, code: { text, coding: [{ system: "urn:js", code }] },
});
const get = (url) => ({ request: { method: "GET", url } });
const statuses = (bundle) => bundle.entry.map((each) => each.response.status);
const texts = (bundle) => bundle.entry.filter((each) => each.search?.mode === "match").map((each) => each.resource.code?.text);

const kit = new Client({ baseUrl: base, bearerToken: token });
const resourceType = "Condition", ours = { patient: alias, code: "kit" };
await told_by("kit version", async () => (await kit.capabilityStatement()).fhirVersion);
await told_by("kit smart", async () => new URL((await kit.smartAuthMetadata()).tokenUrl).pathname);
let made;
await told_by("kit create", async () => (made = await kit.create({ resourceType, body: condition("kit") })).code.text);
await told_by("kit vread", async () => (await kit.vread({ resourceType, id: made.id, version: made.meta.versionId })).id === made.id);
await told_by("kit update", async () => (await kit.update({ resourceType, id: made.id, body: { ...made, ...condition("kit", "changed") } })).code.text);
await told_by("kit update by search", async () => (await kit.update({ resourceType, searchParams: ours, body: condition("kit", "anew") })).code.text);
await told_by("kit patch", async () => (await kit.patch({ resourceType, id: made.id, jsonPatch: [{ op: "replace", path: "/code/text", value: "patched" }] })).code.text);
await told_by("kit search", async () => texts(await kit.search({ resourceType, searchParams: ours })));
await told_by("kit search by POST", async () => texts(await kit.search({ resourceType, searchParams: ours, options: { postSearch: true } })));
await told_by("kit history", async () => (await kit.resourceHistory({ resourceType, id: made.id })).total);
await told_by("kit everything", async () => (await kit.operation({ name: "everything", resourceType: "Patient", id: alias, input: { resourceType: "Parameters" } })).type);
await told_by("kit batch", async () => statuses(await kit.batch({ body: { resourceType: "Bundle", type: "batch", entry: [get(`Condition/${made.id}`), get("Condition/none"), { resource: condition("batch"), request: { method: "POST", url: "/Condition" } }] } })));
await told_by("kit delete", async () => { await kit.delete({ resourceType, id: made.id }); return "done"; });
await told_by("kit gone", async () => (await kit.read({ resourceType, id: made.id })).id);

const how = { baseUrl: base.replace(/fhir$/, ""), fhirUrlPath: "fhir/", accessToken: token, fetch, cacheTime: 0 };
const medplum = new MedplumClient({ ...how, autoBatchTime: 0 });
await told_by("medplum create", async () => (made = await medplum.createResource(condition("medplum"))).code.text);
await told_by("medplum unless there", async () => (await medplum.createResourceIfNoneExist(condition("never"), "code=medplum")).id === made.id);
await told_by("medplum upsert", async () => (await medplum.upsertResource(condition("medplum", "anew"), "code=medplum")).code.text);
await told_by("medplum patch", async () => (await medplum.patchResource("Condition", made.id, [{ op: "replace", path: "/code/text", value: "patched" }])).code.text);
await told_by("medplum pages", async () => {
  const seen = [];
  for await (const page of medplum.searchResourcePages("Condition", { patient: alias, _count: 1 })) seen.push(...page);
  return seen.filter((each) => each.id === made.id).length;
});
await told_by("medplum history", async () => (await medplum.readHistory("Condition", made.id)).entry.length);
await told_by("medplum summary", async () => (await medplum.readPatientSummary(alias)).type);
await told_by("medplum validate", async () => (await medplum.validateResource(condition("never"))).issue[0].diagnostics);
await told_by("medplum in one batch", async () => {
  const batching = new MedplumClient({ ...how, autoBatchTime: 50 });
  const asked = [batching.readResource("Condition", made.id), batching.readResource("Patient", alias)];
  return (await Promise.all(asked)).map((each) => each.resourceType);
});
console.log(JSON.stringify(told));
process.exit(0);
