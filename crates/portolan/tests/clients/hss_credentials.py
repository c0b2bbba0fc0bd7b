"""How huaweicloudsdkhss, unmodified, shows who it is, and what it makes of errors.

Arguments: the server's address. The credentials are those of `credentials.toml`; the last line says
that all of it held.
"""

import re
import sys

from huaweicloudsdkcore.exceptions.exceptions import ClientRequestException
from huaweicloudsdkhss.v5 import (
    BatchModifyPortStatusRequest,
    ListPortStatisticsRequest,
    ListPortStatusRequestInfo,
    PortStatusRequestInfo,
    ShowCommonPortRequest,
)
from hss_client import ADMIN_TOKEN, READER_TOKEN, client, refused, run

SERVER = sys.argv[1]
EVERYWHERE = ListPortStatisticsRequest(port=22, enterprise_project_id="all_granted_eps")


def num(answer):
    return [(row.port, row.num) for row in answer.data_list]


def fails(call, status, code, message):
    """The error must be one of a request, with a code, its words and the id of the request."""
    error = refused(call)
    assert isinstance(error, ClientRequestException), error
    assert (error.status_code, error.error_code) == (status, code), error
    assert message in error.error_msg, error
    assert re.fullmatch("[0-9a-f]{32}", error.request_id), error


def by_temporary_key():
    told = client(SERVER, "TEMPORARY", "temporary-secret-key", "security-token-security-token-security")
    assert num(told.list_port_statistics(EVERYWHERE)) == [(22, 3)]
    for token in (None, "another-token-another-token-another-to"):
        wrong = client(SERVER, "TEMPORARY", "temporary-secret-key", token)
        fails(lambda: wrong.list_port_statistics(EVERYWHERE), 401, "APIGW.0301", "Incorrect IAM authentication")


def by_token(method, request, token):
    """A client needs some access key; that `Authorization` is there makes it sign nothing."""
    invoker = getattr(client(SERVER, "none", "none"), f"{method}_invoker")(request)
    return invoker.add_header("X-Auth-Token", token).add_header("Authorization", "none").invoke()


def by_x_auth_token():
    assert num(by_token("list_port_statistics", EVERYWHERE, READER_TOKEN)) == [(22, 3)]
    unknown = "unknown-token-unknown-token-unknown"
    fails(lambda: by_token("list_port_statistics", EVERYWHERE, unknown), 401, "APIGW.0301", "Incorrect IAM")


def a_reader_changes_nothing():
    item = PortStatusRequestInfo(host_id="web-1", port=6379, port_type="TCP")
    body = ListPortStatusRequestInfo(operate_type="ignore", data_list=[item])
    request = BatchModifyPortStatusRequest(body=body)
    fails(lambda: by_token("batch_modify_port_status", request, READER_TOKEN), 403, "APIGW.0302", "not authorized")
    item.host_id = "nobody"
    fails(lambda: by_token("batch_modify_port_status", request, ADMIN_TOKEN), 400, "HSS.0011", "not found")


def a_wrong_key_is_refused():
    for ak, sk in (("ADMIN", "wrong"), ("NOBODY", "admin-secret-key")):
        wrong = client(SERVER, ak, sk)
        fails(lambda: wrong.list_port_statistics(EVERYWHERE), 401, "APIGW.0301", "Incorrect IAM authentication")


def another_project_is_denied():
    other = client(SERVER, "OTHER-PROJECT", "other-secret-key")
    fails(lambda: other.list_port_statistics(EVERYWHERE), 403, "APIGW.0306", "denied")


def an_enterprise_project_must_be_granted():
    reader = client(SERVER, "READER-OF-0", "reader-secret-key")
    # All that it was granted is `0`.
    assert num(reader.list_port_statistics(EVERYWHERE)) == [(22, 2)]
    other = ListPortStatisticsRequest(enterprise_project_id="x")
    fails(lambda: reader.list_port_statistics(other), 400, "HSS.0013", "Insufficient permissions")


def faulty_parameters_are_told():
    admin = client(SERVER)
    for query in ({"limit": 9}, {"limit": 201}, {"port": 0}, {"port": "abc"}, {"type": "tcp"}, {"category": ""}):
        request = ListPortStatisticsRequest(**query)
        name = next(iter(query))
        fails(lambda: admin.list_port_statistics(request), 400, "HSS.0001", name)
    fails(lambda: admin.show_common_port(ShowCommonPortRequest()), 400, "HSS.0001", "port")


CHECKS = (
    by_temporary_key,
    by_x_auth_token,
    a_reader_changes_nothing,
    a_wrong_key_is_refused,
    another_project_is_denied,
    an_enterprise_project_must_be_granted,
    faulty_parameters_are_told,
)

if __name__ == "__main__":
    run(CHECKS)
