"""Makes what the tests need in a real Keystone, by its API.

The project `fleet`, in which alice is `reader` and bob has a role of no meaning to Portolan; the
project `service`, in which the user `portolan` has Keystone's role `service`. The password of each is
its name and `-password`.
"""

import sys

from keystoneauth1 import session
from keystoneauth1.identity import v3


def login(keystone, name, password=None, **scope):
    password = password or f"{name}-password"
    auth = v3.Password(
        f"{keystone}/v3", username=name, password=password, user_domain_name="Default", **scope
    )
    return session.Session(auth)


def admin(keystone):
    scope = {"project_name": "admin", "project_domain_name": "Default"}
    return login(keystone, "admin", "admin-password", **scope)


def make(keystone):
    """Gives the ids of the projects by name."""
    client = admin(keystone)

    def create(kind, fields):
        answer = client.post(f"{keystone}/v3/{kind}s", json={kind: fields})
        return answer.json()[kind]["id"]

    roles = client.get(f"{keystone}/v3/roles").json()["roles"]
    roles = {role["name"]: role["id"] for role in roles}
    roles["bystander"] = create("role", {"name": "bystander"})
    projects = {name: create("project", {"name": name}) for name in ("fleet", "service")}
    for name, project, role in (
        ("portolan", "service", "service"),
        ("alice", "fleet", "reader"),
        ("bob", "fleet", "bystander"),
    ):
        user = create("user", {"name": name, "password": f"{name}-password"})
        grant = f"projects/{projects[project]}/users/{user}/roles/{roles[role]}"
        client.put(f"{keystone}/v3/{grant}")
    return projects


if __name__ == "__main__":
    print(make(sys.argv[1])["fleet"])
