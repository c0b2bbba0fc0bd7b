//! The order of the checks that a request passes, and the words of their errors.

use crate::answer::Answer;
use crate::app::{ALL, App, Token};
use crate::client::Request;

/// What can be wrong with a request, in the order in which it must be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Fault {
    TooLong,
    BadEscape,
    NoRoute,
    NoCredential,
    ProjectTooLong,
    OtherProject,
    WrongRole,
    NotGranted,
    Parameter,
}

use Fault::{
    BadEscape, NoCredential, NoRoute, NotGranted, OtherProject, Parameter, ProjectTooLong, TooLong,
    WrongRole,
};

const FAULTS: [Fault; 9] = [
    TooLong,
    BadEscape,
    NoRoute,
    NoCredential,
    ProjectTooLong,
    OtherProject,
    WrongRole,
    NotGranted,
    Parameter,
];

impl Fault {
    fn answer(self) -> (u16, &'static str, &'static str) {
        match self {
            TooLong => (
                414,
                "APIGW.0201",
                "Request URI too large. at most 8192 bytes",
            ),
            BadEscape => (
                400,
                "APIGW.0201",
                "API request error. query has a bad percent escape",
            ),
            NoRoute => (404, "APIGW.0101", "The API does not exist"),
            NoCredential => (
                401,
                "APIGW.0301",
                "Incorrect IAM authentication information: x-auth",
            ),
            ProjectTooLong => (
                400,
                "HSS.0001",
                "Invalid parameter. project_id must be 1 to 256",
            ),
            OtherProject => (403, "APIGW.0306", "API access denied."),
            WrongRole => (403, "APIGW.0302", "The IAM user is not authorized"),
            NotGranted => (
                400,
                "HSS.0013",
                "Insufficient permissions. the enterprise_project_id",
            ),
            Parameter => (
                400,
                "HSS.0001",
                "Invalid parameter. limit must be 10 to 200, got 9",
            ),
        }
    }
}

/// A request for the statistics of project `p1` with these faults and no others.
fn request(faults: &[Fault]) -> Request {
    let has = |fault| faults.contains(&fault);
    let project = match (has(ProjectTooLong), has(OtherProject)) {
        (true, _) => "p".repeat(257),
        (false, true) => "p2".into(),
        (false, false) => "p1".into(),
    };
    let rest = if has(NoRoute) {
        "/asset/port/nothing"
    } else {
        "/asset/port/statistics"
    };
    let pieces = [
        (has(Parameter), "limit=9".to_owned()),
        (has(NotGranted), "enterprise_project_id=foreign".into()),
        (has(BadEscape), "x=%ZZ".into()),
        (has(TooLong), format!("y={}", "y".repeat(8_192))),
    ];
    let query: Vec<String> = pieces
        .into_iter()
        .filter_map(|(there, piece)| there.then_some(piece))
        .collect();
    let role = if has(WrongRole) { "agent" } else { "reader" };
    let request = Request::get(format!("/v5/{project}{rest}?{}", query.join("&")));
    if has(NoCredential) {
        request
    } else {
        request.token(&Token::new(role, "p1", &["0"]))
    }
}

fn told(answer: &Answer, fault: Fault, context: &str) {
    let (status, code, text) = fault.answer();
    let (given_status, given_code, message) = answer.error();
    assert_eq!(
        (given_status, given_code.as_str()),
        (status, code),
        "{context}: {message}"
    );
    assert!(message.starts_with(text), "{context}: {message}");
}

#[test]
fn of_any_two_faults_the_one_that_is_checked_first_is_told() {
    let app = App::start(&[&Token::reader("p1", &["0"]), &Token::agent("p1", &["0"])]);
    assert_eq!(app.send(&request(&[])).status, 200);
    for (place, &first) in FAULTS.iter().enumerate() {
        told(
            &app.send(&request(&[first])),
            first,
            &format!("{first:?} alone"),
        );
        for &second in &FAULTS[place + 1..] {
            let answer = app.send(&request(&[first, second]));
            told(&answer, first, &format!("{first:?} with {second:?}"));
        }
    }
    told(&app.send(&request(&FAULTS)), TooLong, "all at once");
}

#[test]
fn a_wrong_method_is_told_before_a_missing_credential_and_after_a_bad_escape() {
    let app = App::start(&[&Token::reader("p1", ALL)]);
    let code = |target: &str| app.send(&Request::new("PUT", target)).code();
    assert_eq!(
        code("/v5/p1/asset/port/statistics"),
        (404, "APIGW.0101".into())
    );
    assert_eq!(
        code("/v5/p1/asset/port/statistics?x=%"),
        (400, "APIGW.0201".into())
    );
    assert_eq!(
        code("/v5/%C3%28/asset/port/statistics"),
        (400, "APIGW.0201".into())
    );
}

#[test]
fn a_target_of_8192_bytes_passes_and_one_byte_more_does_not() {
    let reader = Token::reader("p1", ALL);
    let app = App::start(&[&reader]);
    let path = "/v5/p1/asset/port/statistics?x=";
    let of_length = |length: usize| format!("{path}{}", "x".repeat(length - path.len()));
    assert_eq!(app.get(&reader, &of_length(8_192)).status, 200);
    let (status, code, message) = app.get(&reader, &of_length(8_193)).error();
    assert_eq!((status, code.as_str()), (414, "APIGW.0201"));
    assert_eq!(
        message,
        "Request URI too large. at most 8192 bytes, got 8193"
    );
}

#[test]
fn a_target_in_absolute_form_is_measured_with_its_scheme_and_host() {
    let reader = Token::reader("p1", ALL);
    let app = App::start(&[&reader]);
    let target = "http://portolan.example:8080/v5/p1/asset/port/statistics?x=";
    let of_length = |length: usize| format!("{target}{}", "x".repeat(length - target.len()));
    assert_eq!(app.get(&reader, &of_length(8_192)).status, 200);
    let (status, _, message) = app.get(&reader, &of_length(8_193)).error();
    let told = "Request URI too large. at most 8192 bytes, got 8193";
    assert_eq!((status, message.as_str()), (414, told));
}

#[test]
fn a_project_id_is_measured_in_characters_once_it_is_decoded() {
    let longest = "中".repeat(256);
    let reader = Token::reader(&longest, ALL);
    let app = App::start(&[&reader]);
    let of = |chars: usize| format!("/v5/{}/asset/port/statistics", "%E4%B8%AD".repeat(chars));
    assert_eq!(app.get(&reader, &of(256)).status, 200);
    assert_eq!(
        app.get(&reader, &of(257)).error(),
        (
            400,
            "HSS.0001".into(),
            "Invalid parameter. project_id must be 1 to 256 characters, got 257".into()
        )
    );
}

/// Invariant 8: an enterprise project that is not granted and one that does not exist are told alike.
#[test]
fn an_enterprise_project_that_is_not_granted_is_told_before_any_faulty_parameter() {
    let reader = Token::reader("p1", &["a"]);
    let app = App::start(&[&reader]);
    let told = |query: &str| app.hss(&reader, query).error();
    let not_granted = (
        400,
        "HSS.0013".to_owned(),
        "Insufficient permissions. the enterprise_project_id is not granted to this credential"
            .to_owned(),
    );
    for query in [
        "port=0&enterprise_project_id=b",
        "enterprise_project_id=0",
        "",
        "enterprise_project_id=",
    ] {
        assert_eq!(told(query), not_granted, "{query}");
    }
    // One that is not well-formed is a fault like any other, and in its place among them.
    let long = format!("enterprise_project_id={}", "e".repeat(129));
    let twice = "enterprise_project_id=a&enterprise_project_id=b";
    for faulty in [long.as_str(), twice] {
        assert_eq!(
            told(&format!("{faulty}&port=0")).2,
            "Invalid parameter. port must be 1 to 65535, got 0"
        );
        let (_, code, message) = told(&format!("limit=9&{faulty}"));
        assert!(
            code == "HSS.0001" && message.contains("enterprise_project_id must be"),
            "{message}"
        );
    }
}

#[test]
fn the_first_faulty_parameter_in_the_contracts_order_is_told_with_what_is_allowed() {
    let reader = Token::reader("p1", ALL);
    let app = App::start(&[&reader]);
    let faults = [
        ("port=65536", "port must be 1 to 65535, got 65536"),
        ("type=tcp", "type must be TCP, UDP, TCP6 or UDP6, got tcp"),
        (
            &*format!("enterprise_project_id={}", "e".repeat(129)),
            &*format!(
                "enterprise_project_id must be 0 to 128 characters, got {}…",
                "e".repeat(64)
            ),
        ),
        ("limit=201", "limit must be 10 to 200, got 201"),
        ("offset=2000001", "offset must be 0 to 2000000, got 2000001"),
        (
            "category=Host",
            "category must be host or container, got Host",
        ),
        (
            "port_string=",
            "port_string must be 1 to 256 characters, got nothing",
        ),
        (
            "status=Danger",
            "status must be danger, normal or unknown, got Danger",
        ),
        ("sort_key=num", "sort_key must be port, got num"),
        ("sort_dir=", "sort_dir must be asc or desc, got nothing"),
    ];
    for (place, (query, text)) in faults.iter().enumerate() {
        // Later faults stand before it in the query: the contract's order counts, not the query's.
        let later: Vec<&str> = faults[place..]
            .iter()
            .rev()
            .map(|(query, _)| *query)
            .collect();
        for query in [(*query).to_owned(), later.join("&")] {
            let expected = (
                400,
                "HSS.0001".to_owned(),
                format!("Invalid parameter. {text}"),
            );
            assert_eq!(app.hss(&reader, &query).error(), expected, "{query}");
        }
    }
    for name in [
        "port",
        "type",
        "limit",
        "offset",
        "category",
        "port_string",
        "status",
        "sort_key",
        "sort_dir",
    ] {
        let (_, _, message) = app.hss(&reader, &format!("{name}=10&{name}=10")).error();
        assert_eq!(
            message,
            format!("Invalid parameter. {name} must be given once, got it twice")
        );
    }
}

#[test]
fn credentials_that_do_not_hold_are_refused_with_the_reason_and_no_more() {
    let reader = Token::reader("p1", ALL);
    let ended = Token {
        secret: "e".repeat(40),
        expires_at: Some("2026-11-24T02:13:01Z".into()),
        ..reader.clone()
    };
    let app = App::start(&[&reader, &ended]);
    let target = "/v5/p1/asset/port/statistics";
    let unknown = Token {
        secret: "u".repeat(40),
        ..reader.clone()
    };
    let signed = "SDK-HMAC-SHA256 Access=AK, SignedHeaders=x-sdk-date, Signature=00";
    let form = "verify aksk signature fail, Authorization must be SDK-HMAC-SHA256 Access=AK, SignedHeaders=a;b, Signature=64 lower-case hex digits";
    let twice = "verify aksk signature fail, Authorization must be given once";
    let algorithm = "verify aksk signature fail, the algorithm must be SDK-HMAC-SHA256";
    let derived = "V11-HMAC-SHA256 Credential=AK/20260102/r/hss, SignedHeaders=host, Signature=00";
    let refused = [
        (Request::get(target), "x-auth-token not found"),
        (
            Request::get(target).header("X-Auth-Token", ""),
            "x-auth-token not found",
        ),
        (Request::get(target).token(&unknown), "decrypt token fail"),
        (
            Request::get(target).header("X-Auth-Token", "kurz"),
            "decrypt token fail",
        ),
        (
            Request::get(target).token(&reader).token(&reader),
            "x-auth-token must be given once",
        ),
        (
            Request::get(target)
                .token(&reader)
                .header("Authorization", signed),
            form,
        ),
        (Request::get(target).header("authorization", signed), form),
        (
            Request::get(target)
                .token(&reader)
                .header("Authorization", derived),
            algorithm,
        ),
        (
            Request::get(target)
                .header("Authorization", "none")
                .header("Authorization", derived)
                .token(&reader),
            twice,
        ),
    ];
    for (request, detail) in refused {
        let text = format!("Incorrect IAM authentication information: {detail}");
        assert_eq!(app.send(&request).error(), (401, "APIGW.0301".into(), text));
    }
    // Header names have no case; what stands in Authorization and is no signature does not matter.
    let good = Request::get(target).header("x-AUTH-token", &reader.secret);
    assert_eq!(app.send(&good.header("Authorization", "none")).status, 200);
    // A token ends at the moment of its end.
    assert_eq!(app.get(&ended, target).status, 200);
    app.clock.advance_s(1);
    assert_eq!(
        app.get(&ended, target).error(),
        (
            401,
            "APIGW.0307".into(),
            "The token must be updated.".into()
        )
    );
}
