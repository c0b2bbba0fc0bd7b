//! How log-ins end, and that they live through what they must.

use argon2::Argon2;
use argon2::password_hash::PasswordHasher;
use argon2::password_hash::phc::PasswordHash;
use serde_json::json;

use super::scene::*;
use crate::app::{ALL, App, Token};
use crate::client::Request;

const OF_A_USER: usize = 256;

fn revoke_user(app: &App, id: &str) {
    let target = format!("/portolan/v1/projects/p1/users/{id}");
    let gone = app.send(&Request::new("DELETE", target).token(&operator()));
    assert_eq!(gone.status, 204);
}

#[test]
fn a_token_that_is_revoked_ends_at_once_and_no_other_does() {
    let mut app = App::start(&[&operator()]);
    user(&app, "p1", "alice", "reader");
    let (first, second) = (alices(&app), alices(&app));
    let gone = about(&app, "DELETE", &first, &first.secret);
    assert_eq!((gone.status, gone.body.len()), (204, 0));
    assert!(!works(&app, &first) && works(&app, &second));
    let again = about(&app, "DELETE", &second, &first.secret);
    assert_eq!(again.status, 404);
    app.restart();
    assert!(!works(&app, &first) && works(&app, &second));
}

#[test]
fn log_ins_survive_a_restart_and_a_crash() {
    let mut app = App::start(&[&operator()]);
    user(&app, "p1", "alice", "reader");
    let token = alices(&app);
    assert!(works(&app.crashed_copy(), &token));
    app.restart();
    assert!(works(&app, &token));
    let told = about(&app, "GET", &token, &token.secret).ok();
    assert_eq!(told["token"]["issued_at"], "2026-11-24T02:13:00.000000Z");
    assert_eq!(told["token"]["methods"], json!(["password"]));
}

#[test]
fn all_tokens_of_a_user_end_with_the_user_and_stay_ended() {
    let mut app = App::start(&[&operator()]);
    let id = user(&app, "p1", "alice", "reader");
    user(&app, "p1", "bob", "reader");
    let first = alices(&app);
    let second = log_in(&app, &by_token(&first.secret, project("p1"))).1;
    let bobs = log_in(&app, &by_password("bob", PASSWORD, project("p1"))).1;
    revoke_user(&app, &id);
    for _ in 0..2 {
        assert!(!works(&app, &first) && !works(&app, &second));
        assert!(works(&app, &bobs));
        let again = post(&app, &by_token(&first.secret, project("p1")));
        assert_eq!(again.keystones_error(), (401, REFUSED.into()));
        app.restart();
    }
    // Another user of the name is another user.
    user(&app, "p1", "alice", "reader");
    assert!(!works(&app, &first));
    assert_eq!(app.metric("portolan_sessions"), 1);
}

#[test]
fn tokens_that_came_from_a_token_end_with_it() {
    let app = App::start(&[&operator(), &admin()]);
    let body = json!({"role": "reader", "name": "n"}).to_string();
    let made = app.send(&Request::post("/portolan/v1/projects/p1/tokens", body).token(&admin()));
    let made = made.json();
    let secret = made["secret"].as_str().unwrap();
    let token = log_in(&app, &by_token(secret, project("p1"))).1;
    assert!(works(&app, &token));
    let target = format!(
        "/portolan/v1/projects/p1/tokens/{}",
        made["id"].as_str().unwrap()
    );
    let gone = app.send(&Request::new("DELETE", target).token(&admin()));
    assert_eq!(gone.status, 204);
    assert!(!works(&app, &token));
}

const FIRST: &[u8; 16] = b"salt of 16 bytes";

/// A credentials file with alice, whose password is hashed with that salt.
fn entry(role: &str, salt: &[u8; 16]) -> String {
    let hash: PasswordHash = Argon2::default()
        .hash_password_with_salt(PASSWORD.as_bytes(), salt)
        .unwrap();
    format!(
        "{}[[user]]\nname = \"alice\"\npassword_argon2 = \"{hash}\"\nproject_id = \"p1\"\n\
         enterprise_projects = [\"all_granted_eps\"]\nrole = \"{role}\"\n",
        Token::file(&[&operator()])
    )
}

#[test]
fn a_user_who_is_taken_out_of_the_credentials_file_is_logged_out_for_good() {
    let mut app = App::start(&[&operator()]);
    let file = app.data_dir().with_file_name("credentials.toml");
    std::fs::write(&file, entry("reader", FIRST)).unwrap();
    app.read_credentials_again();
    let token = alices(&app);
    app.read_credentials_again();
    assert!(works(&app, &token), "the same entry is the same user");
    std::fs::write(&file, Token::file(&[&operator()])).unwrap();
    app.read_credentials_again();
    assert!(!works(&app, &token));
    std::fs::write(&file, entry("reader", FIRST)).unwrap();
    app.read_credentials_again();
    assert!(!works(&app, &token));
    app.restart();
    assert!(!works(&app, &token));
    assert!(works(&app, &alices(&app)));
}

/// A user of the credentials file whose entry is another at the next start is another user.
#[test]
fn a_user_that_the_credentials_file_changes_is_logged_out() {
    let mut app = App::start(&[&operator()]);
    let file = app.data_dir().with_file_name("credentials.toml");
    std::fs::write(&file, entry("admin", FIRST)).unwrap();
    app.restart();
    let token = alices(&app);
    app.restart();
    assert!(works(&app, &token), "the same entry is the same user");
    std::fs::write(&file, entry("reader", FIRST)).unwrap();
    app.restart();
    assert!(!works(&app, &token), "the role is another");
    let token = alices(&app);
    std::fs::write(&file, entry("reader", b"another salt 123")).unwrap();
    app.restart();
    assert!(!works(&app, &token), "the password is another");
    std::fs::write(&file, entry("reader", FIRST)).unwrap();
    app.restart();
    // What has ended does not come back with the entry.
    assert_eq!(app.metric("portolan_sessions"), 0);
}

/// Invariant 7: log-ins of one user have a cap; the oldest goes first.
#[test]
fn a_user_has_so_many_tokens_and_the_oldest_ends_first() {
    let mut app = App::start(&[&operator(), &Token::reader("p1", ALL)]);
    user(&app, "p1", "alice", "reader");
    let first = alices(&app);
    app.clock.advance_s(1);
    let second = alices(&app);
    for _ in 2..OF_A_USER {
        log_in(&app, &by_token(&second.secret, project("p1")));
    }
    assert!(works(&app, &first) && works(&app, &second));
    let other = Token::reader("p1", ALL);
    log_in(&app, &by_token(&other.secret, project("p1")));
    assert!(works(&app, &first), "another's tokens push nobody's out");
    log_in(&app, &by_token(&second.secret, project("p1")));
    assert!(!works(&app, &first) && works(&app, &second));
    let reached = "portolan_limits_reached_total{limit=\"sessions_of_a_credential\"}";
    assert_eq!(app.metric(reached), 1);
    app.restart();
    assert!(!works(&app, &first) && works(&app, &second));
    assert_eq!(app.metric("portolan_sessions"), OF_A_USER as u64 + 1);
}
