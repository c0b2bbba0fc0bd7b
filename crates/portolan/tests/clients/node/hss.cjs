// The core of the service's Node SDK, unmodified, with the options that its generated HssClient gives it.
//
// Arguments: the folder with the packages, the server's address. The server has the fleet of
// `fleet.json`; the last line says that all of it held.
"use strict";

const assert = require("node:assert/strict");
const path = require("node:path");

const [packages, server] = process.argv.slice(2);
const core = (name) => require(path.join(packages, "node_modules/@huaweicloud/huaweicloud-sdk-core", name));
const { ClientBuilder } = core("ClientBuilder");
const { BasicCredentials } = core("auth/BasicCredentials");
const { ClientRequestException } = core("exception/ClientRequestException");

const EVERYWHERE = "all_granted_eps";
const SECURITY_TOKEN = "security-token-security-token-security";

function client(ak = "ADMIN", sk = "admin-secret-key", securityToken = undefined) {
  const credential = new BasicCredentials().withAk(ak).withSk(sk).withProjectId("p1");
  if (securityToken) credential.withSecurityToken(securityToken);
  return new ClientBuilder((inner) => inner, "BasicCredentials").withCredential(credential).withEndpoint(server).build();
}

function get(call, queryParams, more = {}) {
  const { by = client(), ...options } = more;
  const url = `/v5/{project_id}/${call}`;
  return by.sendRequest({
    method: "GET", url, contentType: "application/json", queryParams, pathParams: {}, headers: {}, ...options,
  });
}

async function statistics(queryParams, more) {
  const answer = await get("asset/port/statistics", queryParams, more);
  assert.equal(answer.httpStatusCode, 200);
  return [answer.total_num, answer.data_list.map((row) => [row.port, row.type, row.num])];
}

async function fails(call, status, code, message) {
  const error = await call.then(() => assert.fail("it was not refused"), (failure) => failure);
  assert(error instanceof ClientRequestException, error);
  assert.deepEqual([error.httpStatusCode, error.errorCode], [status, code]);
  assert.match(error.errorMsg, message);
  assert.match(error.requestId, /^[0-9a-f]{32}$/);
}

async function countsByEveryParameter() {
  assert.deepEqual(await statistics({ port: 22 }), [1, [[22, "TCP", 2]]]);
  // They go out in this order, which is not the sorted one.
  const query = {
    type: "TCP", limit: 10, offset: 1, enterprise_project_id: EVERYWHERE, category: "host", sort_key: "port", sort_dir: "desc",
  };
  assert.deepEqual(await statistics(query), [5, [[6379, "TCP", 2], [3306, "TCP", 1], [443, "TCP", 2], [22, "TCP", 3]]]);
  // Characters that it leaves as they are in the query, and encodes to sign them.
  assert.deepEqual(await statistics({ port_string: "!'()*" }), [0, []]);
  assert.deepEqual(await statistics({ port_string: "4 3+&=/ä" }), [0, []]);
}

async function sendsABodyWithAGet() {
  // As the generated clients of earlier years do.
  assert.deepEqual(await statistics({ category: "container" }, { data: {} }), [2, [[6379, "TCP", 1], [8080, "TCP", 1]]]);
}

async function readsTheOtherCalls() {
  const detail = await get("asset/ports/detail", { port: 22, host_name: "web-one" });
  assert.deepEqual(detail.data_list.map((row) => [row.host_id, row.laddr]), [["web-1", "0.0.0.0"], ["web-1", "::"]]);
  const top = await get("asset/overview/statistics/top/port", { enterprise_project_id: EVERYWHERE });
  assert.deepEqual([top.data_list[0].name, top.data_list[0].host_num], ["22", 3]);
  const hosts = await get("host-management/hosts", { enterprise_project_id: "x", limit: 10 });
  assert.deepEqual(hosts.data_list.map((row) => row.host_id), ["db-1"]);
}

async function showsATemporaryKey() {
  const by = client("TEMPORARY", "temporary-secret-key", SECURITY_TOKEN);
  assert.deepEqual(await statistics({ port: 443 }, { by }), [1, [[443, "TCP", 2]]]);
  const without = client("TEMPORARY", "temporary-secret-key");
  await fails(statistics({}, { by: without }), 401, "APIGW.0301", /Incorrect IAM authentication/);
}

function modify(operate_type, by = client()) {
  const item = { host_id: "web-1", port: 6379, port_type: "TCP" };
  return by.sendRequest({
    method: "POST", url: "/v5/{project_id}/asset/batch-modify-port-status", contentType: "application/json",
    queryParams: { category: "host" }, pathParams: {}, headers: {}, data: { operate_type, data_list: [item] },
  });
}

async function ignoresAPortAndIgnoresItNoLonger() {
  const dangerous = () => statistics({ status: "danger" });
  assert.deepEqual(await dangerous(), [1, [[6379, "TCP", 1]]]);
  assert.equal((await modify("ignore")).httpStatusCode, 200);
  assert.deepEqual(await dangerous(), [0, []]);
  await modify("not_ignore");
  assert.deepEqual(await dangerous(), [1, [[6379, "TCP", 1]]]);
}

async function understandsErrors() {
  await fails(statistics({ limit: 9 }), 400, "HSS.0001", /limit/);
  const wrong = client("ADMIN", "wrong");
  await fails(statistics({}, { by: wrong }), 401, "APIGW.0301", /Incorrect IAM authentication/);
  const other = client("OTHER-PROJECT", "other-secret-key");
  await fails(statistics({}, { by: other }), 403, "APIGW.0306", /denied/);
  const reader = client("READER-OF-0", "reader-secret-key");
  await fails(statistics({ enterprise_project_id: "x" }, { by: reader }), 400, "HSS.0013", /Insufficient permissions/);
  await fails(modify("ignore", reader), 403, "APIGW.0302", /not authorized/);
  await fails(modify("forget"), 400, "HSS.0001", /operate_type/);
}

async function main() {
  const checks = [
    countsByEveryParameter, sendsABodyWithAGet, readsTheOtherCalls, showsATemporaryKey, ignoresAPortAndIgnoresItNoLonger,
    understandsErrors,
  ];
  for (const check of checks) {
    await check();
    console.log(check.name);
  }
  console.log("all held");
}

main().catch((error) => {
  console.log(error);
  process.exit(1);
});
