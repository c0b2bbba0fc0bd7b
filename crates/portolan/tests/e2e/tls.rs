//! TLS from agent and command to server, with a CA of the test's own.

use std::path::{Path, PathBuf};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};

use crate::harness::{READER, Server, agent_with, eventually, portolan};

struct Ca(CertifiedIssuer<'static, KeyPair>);

impl Ca {
    fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        Self(CertifiedIssuer::self_signed(params, key).unwrap())
    }

    fn write(&self, path: &Path) {
        std::fs::write(path, self.0.pem()).unwrap();
    }

    /// Writes a certificate for loopback, and its key.
    fn sign(&self, certificate: &Path, key: &Path) {
        let params = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
        let pair = KeyPair::generate().unwrap();
        let signed = params.signed_by(&pair, &self.0).unwrap();
        std::fs::write(certificate, signed.pem()).unwrap();
        std::fs::write(key, pair.serialize_pem()).unwrap();
    }
}

struct Scene {
    folder: tempfile::TempDir,
    server: Server,
}

impl Scene {
    fn start(ca: &Ca) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        ca.sign(&path("cert.pem"), &path("key.pem"));
        let text = |name: &str| path(name).to_str().unwrap().to_owned();
        let more = [
            "--tls-cert",
            &text("cert.pem"),
            "--tls-key",
            &text("key.pem"),
        ];
        let server = Server::start_with(folder.path(), "127.0.0.1:0", &more);
        assert!(
            server.url.starts_with("https://127.0.0.1:"),
            "{}",
            server.url
        );
        Self { folder, server }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Whether a command that trusts this CA is answered, and its words.
    fn hosts(&self, ca: &Ca) -> (Option<i32>, String) {
        let file = self.path("trusted.pem");
        ca.write(&file);
        let output = portolan()
            .args([
                "hosts",
                "--server",
                &self.server.url,
                "--token",
                READER,
                "--ca-file",
            ])
            .arg(&file)
            .output()
            .unwrap();
        let words = [output.stdout, output.stderr].concat();
        (output.status.code(), String::from_utf8(words).unwrap())
    }
}

#[test]
fn agent_and_command_speak_tls_with_a_server_of_their_own_ca_and_with_no_other() {
    let (ca, other) = (Ca::new(), Ca::new());
    let scene = Scene::start(&ca);
    let file = scene.path("ca.pem");
    ca.write(&file);
    let trust = ["--ca-file", file.to_str().unwrap()];
    let _agent = agent_with(&scene.server, scene.folder.path(), "behind-tls", &trust);
    eventually("the agent's host is listed", || {
        let (code, words) = scene.hosts(&ca);
        assert_eq!(code, Some(0), "{words}");
        words.contains("behind-tls")
    });
    let (code, words) = scene.hosts(&other);
    assert_eq!(code, Some(1), "{words}");
    assert!(
        words.contains("cannot ask") && !words.contains("behind-tls"),
        "{words}"
    );
    // Plain HTTP gets no answer.
    let plain = scene.server.url.replace("https://", "http://");
    let refused = portolan()
        .args(["hosts", "--server", &plain, "--token", READER])
        .output()
        .unwrap();
    assert_eq!(refused.status.code(), Some(1));
    scene.server.stop();
}

#[test]
fn a_new_certificate_is_taken_on_sighup_and_a_broken_one_is_not() {
    let (old, new) = (Ca::new(), Ca::new());
    let scene = Scene::start(&old);
    assert_eq!(scene.hosts(&old).0, Some(0));
    new.sign(&scene.path("cert.pem"), &scene.path("key.pem"));
    assert_eq!(scene.hosts(&new).0, Some(1), "not before it is asked to");
    scene.server.process.signal("HUP");
    eventually("the new certificate is shown", || {
        scene.hosts(&new).0 == Some(0)
    });
    assert_eq!(scene.hosts(&old).0, Some(1));
    // A key that does not fit, and then no file at all. The credentials, read after it, tell when
    // the signal was followed.
    for fault in ["another key", "none"] {
        match fault {
            "none" => std::fs::remove_file(scene.path("cert.pem")).unwrap(),
            _ => old.sign(&scene.path("unused.pem"), &scene.path("key.pem")),
        }
        let file = scene.path("credentials.toml");
        let token = format!("{fault:-<40}");
        let more = format!(
            "[[token]]\nsecret = \"{token}\"\nproject_id = \"p1\"\nenterprise_projects = [\"0\"]\nrole = \"reader\"\n"
        );
        let before = std::fs::read_to_string(&file).unwrap();
        std::fs::write(&file, before + &more).unwrap();
        scene.server.process.signal("HUP");
        let trusted = scene.path("trusted.pem");
        new.write(&trusted);
        eventually("the signal is followed", || {
            let asked = portolan()
                .args([
                    "hosts",
                    "--server",
                    &scene.server.url,
                    "--token",
                    &token,
                    "--ca-file",
                ])
                .arg(&trusted)
                .output()
                .unwrap();
            asked.status.code() == Some(0)
        });
        assert_eq!(scene.hosts(&new).0, Some(0), "{fault}");
    }
    scene.server.stop();
}

#[test]
fn a_certificate_without_its_key_or_that_does_not_fit_is_bad_usage() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let ca = Ca::new();
    ca.sign(&path("cert.pem"), &path("key.pem"));
    ca.sign(&path("other.pem"), &path("other-key.pem"));
    let serve = |cert: &str, key: Option<&str>| {
        let mut command = portolan();
        command
            .args(["serve", "--listen", "127.0.0.1:0", "--data-dir"])
            .arg(path("data"));
        command.arg("--tls-cert").arg(path(cert));
        if let Some(key) = key {
            command.arg("--tls-key").arg(path(key));
        }
        let output = command.output().unwrap();
        assert_eq!(output.status.code(), Some(2));
        String::from_utf8(output.stderr).unwrap()
    };
    assert!(serve("cert.pem", None).contains("--tls-key"));
    assert!(serve("cert.pem", Some("other-key.pem")).contains("cannot be used"));
    assert!(serve("key.pem", Some("key.pem")).contains("holds no certificate"));
    assert!(serve("nowhere.pem", Some("key.pem")).contains("nowhere.pem"));
    assert!(!path("data").exists(), "nothing was made");
}
