"""The HSS client of the service's Python SDK, for Portolan: only the endpoint is another."""

from huaweicloudsdkcore.auth.credentials import BasicCredentials
from huaweicloudsdkcore.exceptions.exceptions import ServiceResponseException
from huaweicloudsdkcore.http.http_config import HttpConfig
from huaweicloudsdkhss.v5 import HssClient

READER_TOKEN = "reader-token-reader-token-reader"
ADMIN_TOKEN = "admin-token-admin-token-admin-to"


def client(server, ak="ADMIN", sk="admin-secret-key", security_token=None, retry_times=0):
    credentials = BasicCredentials(ak, sk, "p1")
    if security_token:
        credentials = credentials.with_security_token(security_token)
    return (
        HssClient.new_builder()
        .with_http_config(HttpConfig(retry_times=retry_times))
        .with_credentials(credentials)
        .with_endpoint(server)
        .build()
    )


def refused(call):
    """The error of a call that must fail."""
    try:
        call()
    except ServiceResponseException as error:
        return error
    raise AssertionError("it was not refused")


def run(checks):
    for check in checks:
        check()
        print(check.__name__, flush=True)
    print("all held", flush=True)
