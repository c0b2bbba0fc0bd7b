"""keystoneauth1, unmodified, logs in to Portolan, finds its way by the catalog, and renews itself.

Arguments: the server's address. Alice is a reader of p1 with the password below; the last line says
that all of it held.
"""

import sys

from keystoneauth1 import discover, exceptions, session
from keystoneauth1.identity import v3

SERVER = sys.argv[1]
AUTH = f"{SERVER}/v3"
PASSWORD = "correct horse battery"
STATISTICS = "/asset/port/statistics"
HSS = {"service_type": "hss", "interface": "public"}


def by_password(**more):
    user = {"username": "alice", "password": PASSWORD, "user_domain_name": "Default"}
    return v3.Password(AUTH, **{**user, **more})


def by_project_name(**more):
    return by_password(project_name="p1", project_domain_name="Default", **more)


def revoke(token):
    headers = {"X-Auth-Token": token, "X-Subject-Token": token}
    answer = session.Session().delete(f"{AUTH}/auth/tokens", headers=headers)
    assert answer.status_code == 204, answer


def statistics(client):
    answer = client.get(STATISTICS, endpoint_filter=HSS)
    assert set(answer.json()) == {"total_num", "data_list"}, answer.text


def discovers():
    found = discover.Discover(session.Session(), AUTH)
    assert found.url_for("3") == AUTH, found.version_data()


def logs_in_and_finds_the_service():
    for auth in (by_project_name(), by_password(project_id="p1"), by_project_name(user_domain_name="default")):
        client = session.Session(auth)
        for interface in ("public", "internal", "admin"):
            endpoint = client.get_endpoint(service_type="hss", interface=interface)
            assert endpoint == f"{SERVER}/v5/p1", endpoint
        assert client.get_project_id() == "p1"
        access = auth.get_access(client)
        assert access.username == "alice" and access.role_names == ["reader"]
        assert 86_000 < (access.expires - access.issued).total_seconds() <= 86_400
        statistics(client)


def leaves_the_catalog_out():
    auth = by_project_name(include_catalog=False)
    access = auth.get_access(session.Session())
    assert not access.has_service_catalog()


def renews_itself_when_its_token_is_revoked():
    client = session.Session(by_project_name())
    first = client.get_token()
    statistics(client)
    assert client.get_token() == first, "a token is used again"
    revoke(first)
    statistics(client)
    assert client.get_token() != first


def logs_in_by_token_and_renews_itself():
    given = session.Session(by_password(unscoped=True)).get_token()
    client = session.Session(v3.Token(AUTH, given, project_id="p1"))
    first = client.get_token()
    assert first != given
    statistics(client)
    revoke(first)
    statistics(client)
    # Once the token that it was given is gone, it cannot.
    revoke(given)
    revoke(client.get_token())
    refused(lambda: statistics(client))


def refused(call):
    try:
        call()
    except exceptions.Unauthorized as error:
        assert error.http_status == 401 and "requires authentication" in str(error), error
    else:
        raise AssertionError("it was not refused")


def is_refused_what_is_not_its_own():
    client = session.Session()
    refused(lambda: by_password(project_id="p2").get_access(client))
    refused(lambda: by_password(username="nobody", project_id="p1").get_access(client))
    refused(lambda: by_password(password="wrong", project_id="p1").get_access(client))


def lists_its_projects_without_a_scope():
    client = session.Session(by_password(unscoped=True))
    projects = client.get(f"{AUTH}/auth/projects").json()["projects"]
    assert [project["id"] for project in projects] == ["p1"], projects
    domain = session.Session(by_password(domain_name="Default"))
    assert domain.auth.get_access(domain).domain_id == "default"
    try:
        client.get(f"{SERVER}/v5/p1{STATISTICS}")
    except exceptions.Forbidden as error:
        assert error.http_status == 403, error
    else:
        raise AssertionError("a token for no project reads one")


CHECKS = (
    discovers,
    logs_in_and_finds_the_service,
    leaves_the_catalog_out,
    renews_itself_when_its_token_is_revoked,
    logs_in_by_token_and_renews_itself,
    is_refused_what_is_not_its_own,
    lists_its_projects_without_a_scope,
)

if __name__ == "__main__":
    for check in CHECKS:
        check()
        print(check.__name__, flush=True)
    print("all held", flush=True)
