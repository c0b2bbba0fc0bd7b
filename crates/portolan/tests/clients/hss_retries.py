"""huaweicloudsdkhss, unmodified, at a server that allows one call a second.

Arguments: the server's address. The last line says that all of it held.
"""

import sys

from huaweicloudsdkcore.exceptions.exceptions import SdkException
from huaweicloudsdkhss.v5 import ListPortStatisticsRequest
from hss_client import client, run

SERVER = sys.argv[1]
REQUEST = ListPortStatisticsRequest(port=22)
# A call that follows another within a second is refused at first; of so many some do on any machine.
CALLS = 20


def outcome(hasty):
    try:
        hasty.list_port_statistics(REQUEST)
    except SdkException as error:
        return error
    return None


def a_client_that_does_not_repeat_is_told_the_status():
    hasty = client(SERVER)
    errors = [error for error in (outcome(hasty) for _ in range(CALLS)) if error]
    assert errors, "nothing was refused"
    assert {(error.status_code, error.error_code) for error in errors} == {(429, "429")}, errors


def a_throttled_call_is_repeated_with_its_signature_and_succeeds():
    hasty, patient = client(SERVER), client(SERVER, retry_times=5)
    for _ in range(CALLS):
        refused = outcome(hasty)
        answer = patient.list_port_statistics(REQUEST)
        assert [(row.port, row.num) for row in answer.data_list] == [(22, 2)], answer
        # A call that was refused came before at the same moment: this one was repeated.
        if refused:
            return
    raise AssertionError("nothing was refused")


if __name__ == "__main__":
    run((a_client_that_does_not_repeat_is_told_the_status, a_throttled_call_is_repeated_with_its_signature_and_succeeds))
