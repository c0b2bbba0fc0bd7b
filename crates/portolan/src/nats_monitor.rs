//! What the monitors of NATS nodes tell, asked over HTTP.

use std::time::Duration;

use portolan_agent::with_causes;
use portolan_store::jetstream::{Monitored, read_varz};
use portolan_wire::caps;

/// Asks the monitor of each node, such as `http://a.example:8222`, all at once.
pub(crate) fn ask(urls: &[String]) -> Vec<Monitored> {
    std::thread::scope(|scope| {
        let asking: Vec<_> = urls
            .iter()
            .map(|url| (url, scope.spawn(|| told_by(url))))
            .collect();
        let told = asking.into_iter().map(|(url, asked)| Monitored {
            url: url.clone(),
            told: match asked.join() {
                Ok(told) => told.and_then(|json| read_varz(&json)),
                Err(_) => Err("it could not be asked".to_owned()),
            },
        });
        told.collect()
    })
}

fn told_by(url: &str) -> Result<Vec<u8>, String> {
    let config = ureq::Agent::config_builder()
        .max_redirects(0)
        .timeout_global(Some(Duration::from_secs(caps::NATS_CALL_S_MAX)))
        .build();
    let asked = ureq::Agent::from(config)
        .get(format!("{}/varz", url.trim_end_matches('/')))
        .call();
    let mut answer = asked.map_err(|error| with_causes(&error))?;
    let body = answer.body_mut().with_config();
    let read = body.limit(caps::NATS_MONITOR_BYTES_MAX).read_to_vec();
    read.map_err(|error| with_causes(&error))
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::net::TcpListener;

    use super::*;

    /// Answers one request with that.
    fn node(answer: &'static str) -> (String, std::thread::JoinHandle<String>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let thread = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = [0; 1024];
            let read = stream.read(&mut request).unwrap();
            stream.write_all(answer.as_bytes()).unwrap();
            String::from_utf8_lossy(&request[..read]).into_owned()
        });
        (url, thread)
    }

    #[test]
    fn each_node_is_asked_and_what_one_does_not_tell_is_its_own() {
        let (told, first) = node(
            "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n{\"server_id\":\"1\",\"server_name\":\"a\",\"version\":\"2.15.0\",\"max_payload\":1}",
        );
        let (refused, second) = node("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n");
        let urls = [told, format!("{refused}/")];
        let [first_told, second_told] = ask(&urls).try_into().unwrap();
        assert!(first_told.told.is_ok(), "{first_told:?}");
        let why = second_told.told.unwrap_err();
        assert!(why.contains("404"), "{why}");
        assert_eq!(second_told.url, urls[1]);
        for asked in [first, second] {
            assert!(asked.join().unwrap().starts_with("GET /varz HTTP/1.1"));
        }
    }
}
