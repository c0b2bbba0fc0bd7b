//! A token as Keystone's clients read it.

use portolan_wire::time::UnixMicros;
use serde_json::{Value, json};

use crate::credentials::{Entry, Grant, Method, Proof, Scope};
use crate::keystone::links::Links;

/// The domain of whoever is in none.
const DEFAULT_DOMAIN: &str = "default";

/// What a token without an end tells, as every client wants one.
const NO_END: UnixMicros = UnixMicros::from_seconds(253_402_128_000);

/// Who holds a token: a user, or the token that an administrator made.
pub(super) struct Holder<'a>(pub(super) &'a Entry);

impl Holder<'_> {
    pub(super) fn domain(&self) -> &str {
        match &self.0.proof {
            Proof::User { domain, .. } => domain,
            Proof::Token(_) | Proof::AccessKey(_) | Proof::EnrolKey(_) => DEFAULT_DOMAIN,
        }
    }

    /// Whether a domain that a client names is the holder's. OpenStack's default one has the name
    /// `Default` and the id `default`.
    pub(super) fn is_in(&self, domain: &str) -> bool {
        self.domain() == domain || (self.domain() == DEFAULT_DOMAIN && domain == "Default")
    }

    fn shown(&self) -> Value {
        let entry = self.0;
        let name = match entry.name.as_str() {
            "" => &entry.id,
            name => name,
        };
        json!({
            "id": entry.id,
            "name": name,
            "domain": domain(self.domain()),
            "password_expires_at": entry.grant.expires_at.map(moment),
        })
    }
}

fn domain(name: &str) -> Value {
    json!({"id": name, "name": name})
}

/// What is told of a token.
pub(super) struct Told<'a> {
    pub(super) holder: Holder<'a>,
    pub(super) entry: &'a Entry,
    pub(super) methods: &'a [Method],
    pub(super) scope: Scope,
    pub(super) issued_at: UnixMicros,
}

impl Told<'_> {
    /// The answer's body; without links, without the catalog.
    pub(super) fn body(&self, catalog_at: Option<&Links>) -> Value {
        let grant = &self.entry.grant;
        let methods: Vec<_> = self.methods.iter().map(|method| method.as_str()).collect();
        let mut token = json!({
            "methods": methods,
            "user": self.holder.shown(),
            "audit_ids": [self.entry.id],
            "issued_at": moment(self.issued_at),
            "expires_at": moment(grant.expires_at.unwrap_or(NO_END)),
        });
        let mut tell = |name: &str, value: Value| {
            if let Some(fields) = token.as_object_mut() {
                fields.insert(name.to_owned(), value);
            }
        };
        let role = grant.role.as_str();
        let roles = json!([{"id": role, "name": role}]);
        match self.scope {
            Scope::Project => {
                let id = &grant.project_id;
                let domain = domain(self.holder.domain());
                tell("project", json!({"id": id, "name": id, "domain": domain}));
                tell("is_domain", json!(false));
                tell("roles", roles);
                if let Some(links) = catalog_at {
                    tell("catalog", catalog(links, id));
                }
            }
            Scope::Domain => {
                tell("domain", domain(self.holder.domain()));
                tell("roles", roles);
                if catalog_at.is_some() {
                    tell("catalog", json!([]));
                }
            }
            Scope::None => {}
        }
        json!({ "token": token })
    }
}

/// Where the services are: this server, by the name that the client knows it by.
fn catalog(links: &Links, project_id: &str) -> Value {
    let mut services = vec![service("identity", "keystone", &links.to("/v3"))];
    // A token for every project has no address of its own.
    if project_id != Grant::EVERY_PROJECT {
        let url = links.to(&format!("/v5/{}", escaped(project_id)));
        services.push(service("hss", "hss", &url));
    }
    Value::Array(services)
}

fn service(kind: &str, name: &str, url: &str) -> Value {
    let endpoints: Vec<Value> = ["public", "internal", "admin"]
        .into_iter()
        .map(|interface| {
            json!({
                "id": format!("{kind}-{interface}"),
                "interface": interface,
                "region": "portolan",
                "region_id": "portolan",
                "url": url,
            })
        })
        .collect();
    json!({"id": kind, "type": kind, "name": name, "endpoints": endpoints})
}

/// A project id as a segment of a path.
fn escaped(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    let mut segment = String::with_capacity(text.len());
    for byte in text.bytes() {
        match plain(byte) {
            true => segment.push(char::from(byte)),
            false => segment.push_str(&format!("%{byte:02X}")),
        }
    }
    segment
}

/// ISO 8601 with microseconds, always: clients of Keystone read no other form.
fn moment(at: UnixMicros) -> String {
    let whole = UnixMicros::from_seconds(at.seconds()).to_string();
    let micros = at.0.rem_euclid(1_000_000);
    format!("{}.{micros:06}Z", whole.trim_end_matches('Z'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_has_six_digits_behind_the_second() {
        for (micros, text) in [
            (0, "1970-01-01T00:00:00.000000Z"),
            (1_000_007, "1970-01-01T00:00:01.000007Z"),
            (NO_END.0, "9999-12-30T00:00:00.000000Z"),
        ] {
            assert_eq!(moment(UnixMicros(micros)), text);
        }
    }

    #[test]
    fn a_project_is_one_segment_of_its_address_whatever_it_holds() {
        assert_eq!(escaped("a-._~Z9"), "a-._~Z9");
        assert_eq!(escaped("a/b ü?"), "a%2Fb%20%C3%BC%3F");
    }
}
