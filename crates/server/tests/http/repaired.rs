//! A repaired store: what it told before is of another log.

use portolan_store::embedded;
use serde_json::json;

use crate::app::{ALL, App, Token};
use crate::changes::all;
use crate::fleet::{Host, tcp};
use crate::sse::Sse;

/// Its commits may have other numbers than those that were lost, so no old name leads into it.
#[test]
fn after_a_repair_cursors_and_ids_of_before_are_told_to_be_of_another_store() {
    let (reader, agent) = (Token::reader("p1", ALL), Token::agent("p1", ALL));
    let mut app = App::start(&[&reader, &agent]);
    let host = Host::new("h1", "0", vec![tcp("0.0.0.0", 22)]);
    app.report(&agent, &[&host]);
    app.report(&agent, &[&host.next(vec![])]);
    let before = all(&app, &reader, "", 50);
    let page = app.native(&reader, "/changes?limit=1").ok();
    let cursor = page["next_cursor"].as_str().unwrap();
    let id = before[0]["id"].as_str().unwrap();
    app.stop();
    // A mark that no commit has left.
    let mark = app.data_dir().join("commit.mark");
    let mut bytes = std::fs::read(&mark).unwrap();
    bytes.iter_mut().for_each(|byte| *byte = !*byte);
    std::fs::write(&mark, bytes).unwrap();
    let report = embedded::repair(&app.data_dir()).unwrap();
    assert!(report.damage.is_some() && report.hosts == 1, "{report:?}");
    assert_eq!(report.history_lost, None);
    app.serve();
    let after = all(&app, &reader, "", 50);
    assert_eq!(after.len(), before.len());
    for (old, new) in before.iter().zip(&after) {
        let epoch = |change: &serde_json::Value| {
            let id = change["id"].as_str().unwrap();
            id.split_once('-').unwrap().0.to_owned()
        };
        assert_ne!(epoch(old), epoch(new));
        assert_eq!((&old["kind"], &old["at"]), (&new["kind"], &new["at"]));
    }
    let refused = app.native(&reader, &format!("/changes?cursor={cursor}"));
    assert_eq!(refused.code(), (400, "PORTOLAN.0021".into()));
    let mut stream = Sse::open(app.address(), &reader, "", id);
    let event = stream.event().unwrap();
    assert_eq!(event.name, "reset");
    let told = json!({"reason": "other_epoch", "resume_after": event.id});
    assert_eq!(event.json(), told);
    app.report(&agent, &[&host.next(vec![]).next(vec![tcp("0.0.0.0", 80)])]);
    assert_eq!(stream.change()["port"], 80, "it goes on from now");
}
