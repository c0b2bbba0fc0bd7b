"""Every open-port call of HSS by huaweicloudsdkhss, unmodified, with an access key.

Arguments: the server's address. It has the fleet of `fleet.json` and nothing else; the last line says
that all of it held.
"""

import sys

from huaweicloudsdkhss.v5 import (
    BatchModifyPortStatusRequest,
    ListHostStatusRequest,
    ListPortHostRequest,
    ListPortsRequest,
    ListPortStatisticsRequest,
    ListPortStatusRequestInfo,
    PortStatusRequestInfo,
    ShowAssetStatisticRequest,
    ShowCommonPortRequest,
    ShowPortTopRequest,
)
from hss_client import client, run

CLIENT = client(sys.argv[1])
EVERYWHERE = "all_granted_eps"


def equal(got, expected):
    assert got == expected, f"got {got!r} instead of {expected!r}"


def statistics(**query):
    answer = CLIENT.list_port_statistics(ListPortStatisticsRequest(**query))
    rows = [(row.port, row.type, row.num) for row in answer.data_list]
    return answer.total_num, rows


def statuses(**query):
    answer = CLIENT.list_port_statistics(ListPortStatisticsRequest(status="danger", **query))
    return [(row.port, row.type, row.num, row.status) for row in answer.data_list]


def counts_the_hosts_of_the_default_enterprise_project():
    rows = [(22, "TCP", 2), (123, "UDP", 2), (443, "TCP", 2), (6379, "TCP", 1), (8443, "TCP", 1)]
    equal(statistics(), (5, rows))
    equal(statistics(enterprise_project_id="0", category="host"), (5, rows))
    equal(statistics(sort_key="port", sort_dir="desc"), (5, rows[::-1]))
    equal(statistics(limit=10, offset=3), (5, rows[3:]))
    equal(statistics(limit=200, offset=5), (5, []))


def counts_every_enterprise_project():
    everywhere = [
        (22, "TCP", 3), (123, "UDP", 2), (443, "TCP", 2), (3306, "TCP", 1), (6379, "TCP", 2), (8443, "TCP", 1),
    ]
    equal(statistics(enterprise_project_id=EVERYWHERE), (6, everywhere))
    rows = [(22, "TCP", 1), (3306, "TCP", 1), (6379, "TCP", 1)]
    equal(statistics(enterprise_project_id="x"), (3, rows))


def filters_by_port_type_and_category():
    equal(statistics(port=22), (1, [(22, "TCP", 2)]))
    equal(statistics(port=22, type="UDP"), (0, []))
    equal(statistics(port_string="43"), (2, [(443, "TCP", 2), (8443, "TCP", 1)]))
    equal(statistics(port=443, port_string="44"), (1, [(443, "TCP", 2)]))
    equal(statistics(port=443, port_string="22"), (0, []))
    equal(statistics(type="TCP6"), (2, [(22, "TCP6", 1), (8443, "TCP6", 1)]))
    equal(statistics(type="UDP6"), (1, [(123, "UDP6", 1)]))
    equal(statistics(category="container"), (2, [(6379, "TCP", 1), (8080, "TCP", 1)]))


def lists_the_ports_of_a_host():
    answer = CLIENT.list_ports(ListPortsRequest(host_id="web-1", limit=10))
    equal(answer.total_num, 5)
    rows = [(row.port, row.type, row.laddr, row.pid, row.path, row.status) for row in answer.data_list]
    equal(rows, [
        (22, "TCP", "0.0.0.0", 812, "/usr/sbin/sshd", "normal"),
        (22, "TCP", "::", 812, "/usr/sbin/sshd", "normal"),
        (123, "UDP", "0.0.0.0", 0, "", "normal"),
        (443, "TCP", "0.0.0.0", 900, "/usr/sbin/nginx", "normal"),
        (6379, "TCP", "10.0.3.1", 901, "/usr/bin/redis-server", "danger"),
    ])
    equal({(row.host_id, row.agent_id, row.container_id) for row in answer.data_list}, {("web-1", "agent-of-web-1", "")})
    inside = CLIENT.list_ports(ListPortsRequest(host_id="web-1", category="container"))
    equal([(row.port, row.container_id) for row in inside.data_list], [(6379, "c0ffee"), (8080, "deca11")])
    dangerous = CLIENT.list_ports(ListPortsRequest(host_id="web-1", status="danger"))
    equal([row.port for row in dangerous.data_list], [6379])
    equal(CLIENT.list_ports(ListPortsRequest(host_id="nobody")).total_num, 0)


def lists_the_hosts_of_a_port():
    answer = CLIENT.list_port_host(ListPortHostRequest(port=22, enterprise_project_id=EVERYWHERE))
    equal(answer.total_num, 4)
    rows = [(row.host_id, row.host_name, row.host_ip, row.laddr) for row in answer.data_list]
    equal(sorted(rows), [
        ("db-1", "db-one", "10.0.4.1", "0.0.0.0"),
        ("web-1", "web-one", "10.0.3.1", "0.0.0.0"),
        ("web-1", "web-one", "10.0.3.1", "::"),
        ("web-2", "web-two", "10.0.3.2", "0.0.0.0"),
    ])
    named = CLIENT.list_port_host(ListPortHostRequest(port=22, host_name="web-two"))
    equal([(row.host_id, row.type, row.status) for row in named.data_list], [("web-2", "TCP", "normal")])
    inside = CLIENT.list_port_host(ListPortHostRequest(port=6379, category="container"))
    rows = [(row.host_id, row.container_id, row.container_name, row.status) for row in inside.data_list]
    equal(rows, [("web-1", "c0ffee", "cache", "danger")])


def tells_the_top_ports():
    answer = CLIENT.show_port_top(ShowPortTopRequest(enterprise_project_id=EVERYWHERE))
    equal(answer.total_num, 5)
    rows = [(row.name, row.host_num, row.percentage) for row in answer.data_list]
    equal(rows, [("22", 3, 100), ("123", 2, 66), ("443", 2, 66), ("6379", 2, 66), ("3306", 1, 33)])


def tells_what_is_known_of_a_port():
    answer = CLIENT.show_common_port(ShowCommonPortRequest(port=6379, category="host"))
    equal((answer.port, answer.type, answer.status), (6379, "TCP", "danger"))
    assert "Redis" in answer.description_en and "Redis" in answer.description, answer
    unknown = CLIENT.show_common_port(ShowCommonPortRequest(port=64999))
    equal((unknown.port, unknown.status), (64999, "unknown"))


def tells_the_number_of_open_ports():
    def port_num(**query):
        answer = CLIENT.show_asset_statistic(ShowAssetStatisticRequest(**query)).to_dict()
        others = {value for name, value in answer.items() if name != "port_num"}
        equal((len(answer), others), (12, {0}))
        return answer["port_num"]

    equal(port_num(), 5)
    equal(port_num(enterprise_project_id=EVERYWHERE), 6)
    equal(port_num(host_id="web-1"), 4)
    equal(port_num(category="container"), 2)


def lists_the_hosts():
    answer = CLIENT.list_host_status(ListHostStatusRequest(enterprise_project_id=EVERYWHERE))
    equal(answer.total_num, 3)
    equal([row.host_id for row in answer.data_list], ["db-1", "web-1", "web-2"])
    one = CLIENT.list_host_status(ListHostStatusRequest(host_name="web-one", refresh=True))
    equal(one.total_num, 1)
    host = one.data_list[0]
    told = (host.host_id, host.agent_id, host.private_ip, host.enterprise_project_id, host.os_name, host.kernel_version)
    equal(told, ("web-1", "agent-of-web-1", "10.0.3.1", "0", "Debian GNU/Linux 12", "6.1.0"))
    equal((host.agent_status, host.host_status, host.outside_host), ("online", "ACTIVE", True))
    offline = CLIENT.list_host_status(ListHostStatusRequest(agent_status="offline", has_vul=False))
    equal((offline.total_num, offline.data_list), (0, []))


def modify(operate_type, category="host", **item):
    item = PortStatusRequestInfo(host_id="web-1", port=6379, port_type="TCP", **item)
    body = ListPortStatusRequestInfo(operate_type=operate_type, data_list=[item])
    request = BatchModifyPortStatusRequest(enterprise_project_id="0", category=category, body=body)
    equal(CLIENT.batch_modify_port_status(request).to_dict(), {})


def ignores_a_port_and_ignores_it_no_longer():
    danger, nothing = [(6379, "TCP", 1, "danger")], []
    both = [(3306, "TCP", 1, "danger"), (6379, "TCP", 2, "danger")]
    equal(statuses(), danger)
    equal(statuses(enterprise_project_id=EVERYWHERE), both)
    modify("ignore")
    equal(statuses(), nothing)
    equal([row[0] for row in statistics(status="normal")[1]], [22, 123, 443, 6379, 8443])
    # The database's is danger still.
    equal(statuses(enterprise_project_id=EVERYWHERE), both)
    # What a host ignores its containers do not.
    equal(statuses(category="container"), danger)
    modify("ignore", category="container", container_id="c0ffee", agent_id="agent-of-web-1")
    equal(statuses(category="container"), nothing)
    modify("not_ignore", category="container", container_id="c0ffee")
    modify("not_ignore")
    equal((statuses(), statuses(category="container")), (danger, danger))


CHECKS = (
    counts_the_hosts_of_the_default_enterprise_project,
    counts_every_enterprise_project,
    filters_by_port_type_and_category,
    lists_the_ports_of_a_host,
    lists_the_hosts_of_a_port,
    tells_the_top_ports,
    tells_what_is_known_of_a_port,
    tells_the_number_of_open_ports,
    lists_the_hosts,
    ignores_a_port_and_ignores_it_no_longer,
)

if __name__ == "__main__":
    run(CHECKS)
