#!/usr/bin/env python3
"""Writes scoped_signing.json: vectors of the older, scoped form of SDK-HMAC-SHA256.

Made from the public description of the algorithm, by the Python standard library alone and without
a line of the verifier; no client made them. The form, which the Terraform provider uses:

    canonical      = METHOD \\n path \\n query \\n  name:value \\n for each signed header  \\n names \\n hex(sha256(body))
    scope          = YYYYMMDD/region/service/sdk_request
    string to sign = SDK-HMAC-SHA256 \\n X-Sdk-Date \\n scope \\n hex(sha256(canonical))
    key            = HMAC(HMAC(HMAC(HMAC("SDK" + SK, YYYYMMDD), region), service), "sdk_request")
    Authorization  = SDK-HMAC-SHA256 Credential={AK}/{scope}, SignedHeaders={a;b}, Signature={hex}

The path is decoded and encoded again, and ends with "/"; the query is sorted by name; runs of white
space in a header's value are one blank. Fields are those of signing.json that a verifier sees.

    python3 make_scoped_signing.py > scoped_signing.json
"""

import hashlib
import hmac
import json
import urllib.parse

AK, SK = "AKSCOPEDTEST0000000E", "scoped-Sk/Test+Secret=0123456789abcdef"
DATE, HOST = "20260102T030405Z", "hss.example.test:8443"
STATISTICS = "/v5/p1/asset/port/statistics"


def quoted(text, safe=""):
    return urllib.parse.quote(text, safe=safe + "-_.~")


def step(key, text):
    return hmac.new(key, text.encode(), hashlib.sha256).digest()


def signature(sk, method, path, query, signed, body, scope):
    path = quoted(urllib.parse.unquote(path), "/")
    pairs = sorted(urllib.parse.parse_qsl(query.replace("+", "%2B"), keep_blank_values=True))
    lines = [
        method,
        path if path.endswith("/") else path + "/",
        "&".join(f"{quoted(name)}={quoted(value)}" for name, value in pairs),
        *[f"{name}:{' '.join(value.split())}" for name, value in signed],
        "",
        ";".join(name for name, _ in signed),
        hashlib.sha256(body.encode()).hexdigest(),
    ]
    canonical = hashlib.sha256("\n".join(lines).encode()).hexdigest()
    key = ("SDK" + sk).encode()
    for text in scope.split("/"):
        key = step(key, text)
    return step(key, "\n".join(["SDK-HMAC-SHA256", DATE, scope, canonical])).hex()


def vector(name, accept, method="GET", path=STATISTICS, query="", body="", more=(), signs=None,
           sk=SK, scope="20260102/region-1/hss/sdk_request", key_scope=None, sent=None):
    headers = sorted([("Host", HOST), ("X-Sdk-Date", DATE), *more], key=lambda pair: pair[0].lower())
    signed = [(n.lower(), v) for n, v in headers if signs is None or n.lower() in signs]
    made = signature(sk, method, path, query, signed, body, key_scope or scope)
    names = ";".join(n for n, _ in signed)
    authorization = f"SDK-HMAC-SHA256 Credential={AK}/{scope}, SignedHeaders={names}, Signature={made}"
    result = {"name": name, "ak": AK, "sk": SK, "method": method, "path": path, "query": query,
              "headers": headers, "body": body, "expected": {"authorization": authorization},
              "clock": DATE, "accept": accept}
    return result | (sent or {})


JSON = ("Content-Type", "application/json")
BODY = '{"operate_type":"ignore","data_list":[]}'
POST = {"method": "POST", "path": "/v5/p1/asset/batch-modify-port-status"}

VECTORS = [
    vector("scoped_plain_get", True, more=[JSON]),
    vector("scoped_terraform_page", True, query="category=host&limit=100&offset=0", more=[
        JSON, ("User-Agent", "terraform-provider/1.0 (linux;  amd64)"), ("X-Project-Id", "p1")]),
    vector("scoped_query_sorted_and_escaped", True, query="type=T%20P%20%C3%A9&port=22&category="),
    vector("scoped_path_escaped", True, path="/v5/a%20b/asset/port/statistics"),
    vector("scoped_path_lower_case_escape", True, path="/v5/a%c3%a9/asset/port/statistics"),
    vector("scoped_only_date_signed", True, signs=["x-sdk-date"]),
    vector("scoped_other_region_and_service", True, scope="20260102/eu-de/ecs/sdk_request"),
    vector("scoped_post", True, body=BODY, more=[JSON], **POST),
    vector("scoped_security_token", True, more=[("X-Security-Token", "t" * 40)]),
    vector("scoped_wrong_secret", False, sk="other"),
    vector("scoped_key_of_another_region", False, key_scope="20260102/region-2/hss/sdk_request"),
    vector("scoped_key_of_another_day", False, key_scope="20260103/region-1/hss/sdk_request"),
    vector("scoped_date_of_another_day", False, scope="20260103/region-1/hss/sdk_request"),
    vector("scoped_other_end", False, scope="20260102/region-1/hss/other_request"),
    vector("scoped_date_not_signed", False, signs=["host"]),
    vector("scoped_query_changed", False, query="limit=10", sent={"query": "limit=20"}),
    vector("scoped_path_changed", False, sent={"path": STATISTICS.replace("p1", "p2")}),
    vector("scoped_body_changed", False, body=BODY, sent={"body": BODY + " "}, **POST),
    vector("scoped_too_late", False, sent={"clock": "20260102T031906Z"}),
]

print(json.dumps(VECTORS, indent=1))
