"""Tokens of a real Keystone, at a Portolan that validates them there.

Arguments: Keystone's address, Portolan's, the id of the project `fleet`. The last line says that all
of it held.
"""

import sys
import time

import requests
from keystone_fleet import login

KEYSTONE, SERVER, FLEET = sys.argv[1:4]
# How long an answer of Keystone's is kept, and what a busy machine takes besides.
KEPT_S = 300 + 30


def status(token, project=FLEET):
    url = f"{SERVER}/v5/{project}/asset/port/statistics"
    return requests.get(url, headers={"X-Auth-Token": token}, timeout=60).status_code


def token(name):
    return login(KEYSTONE, name, project_id=FLEET).get_token()


def main():
    alice = token("alice")
    assert status(alice) == 200
    assert status(alice, "p1") == 403
    assert status(token("bob")) == 403
    unscoped = login(KEYSTONE, "alice", unscoped=True).get_token()
    assert status(unscoped) == 403
    assert status("gAAAAABno-such-token-no-such-token-no-such-token") == 401
    headers = {"X-Auth-Token": alice, "X-Subject-Token": alice}
    gone = requests.delete(f"{KEYSTONE}/v3/auth/tokens", headers=headers, timeout=60)
    assert gone.status_code == 204, gone
    revoked = time.monotonic()
    while (told := status(alice)) == 200:
        assert time.monotonic() - revoked < KEPT_S, "the revocation is never seen"
        time.sleep(1)
    assert told == 401, told
    print(f"the revocation was seen after {time.monotonic() - revoked:.0f} s")
    print("all held", flush=True)


if __name__ == "__main__":
    main()
