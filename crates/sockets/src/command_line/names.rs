//! Which names mark a secret: of options, variables, headers and fields.
//!
//! A name is taken apart into words at every character that is no letter or digit, and where a small
//! letter is followed by a large one. Some words mark a secret wherever they stand (`DB_PASSWORD_1`),
//! others only at the end: `--basic-auth`, but not `--auth-mode`.

/// A word that has one of them in it.
const WITHIN: [&str; 5] = ["password", "passwd", "passphrase", "passcode", "secret"];
/// A word that ends with one of them.
const ENDS: [&str; 8] = [
    "token",
    "tokens",
    "apikey",
    "apikeys",
    "credential",
    "credentials",
    "pwd",
    "jwt",
];
/// The last word, if it ends with one of them: also `masterauth`, `setcookie`, `authkey`.
const LAST_ENDS: [&str; 4] = ["pass", "auth", "cookie", "authkey"];
/// The last word.
const LAST: [&str; 10] = [
    "authorization",
    "bearer",
    "encrypt",
    "signature",
    "pw",
    "psk",
    "accesskey",
    "secretkey",
    "privatekey",
    "accountkey",
];
/// The word before `key` or `keys` at the end.
const KEYS_OF: [&str; 13] = [
    "api",
    "auth",
    "preshared",
    "access",
    "secret",
    "private",
    "account",
    "shared",
    "encryption",
    "signing",
    "master",
    "session",
    "storage",
];

/// Whether what that name has is a secret.
pub(super) fn is_secret(name: &str) -> bool {
    let words = words(name);
    let strong = |word: &String| {
        WITHIN.iter().any(|it| word.contains(it)) || ENDS.iter().any(|it| word.ends_with(it))
    };
    if words.iter().any(strong) {
        return true;
    }
    match words.as_slice() {
        [.., of, key] if key == "key" || key == "keys" => KEYS_OF.contains(&of.as_str()),
        [.., last] => {
            LAST.contains(&last.as_str()) || LAST_ENDS.iter().any(|it| last.ends_with(it))
        }
        [] => false,
    }
}

fn words(name: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut after_small = false;
    for char in name.chars() {
        let begins = after_small && char.is_uppercase();
        after_small = char.is_lowercase() || char.is_ascii_digit();
        if begins || !char.is_alphanumeric() {
            words.push(String::new());
        }
        if let Some(word) = words.last_mut()
            && char.is_alphanumeric()
        {
            word.extend(char.to_lowercase());
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_secrets_are_known_in_every_spelling() {
        for name in [
            "password",
            "PASSWORD",
            "DB_PASSWORD_1",
            "mysqlrootpassword",
            "keyStorePassword",
            "passwd",
            "--new-passphrase",
            "token",
            "api-token",
            "GITHUB_TOKEN",
            "accessToken",
            "tokens",
            "secret",
            "client_secret",
            "apikey",
            "API_KEY",
            "apiKey",
            "APIKey",
            "x-api-key",
            "access-key",
            "AWS_SECRET_ACCESS_KEY",
            "privateKey",
            "AccountKey",
            "SharedAccessKey",
            "smtp-pass",
            "requirepass",
            "userpass",
            "pwd",
            "db.pwd",
            "Authorization",
            "basic-auth",
            "masterauth",
            "basicauth",
            "Cookie",
            "setcookie",
            "authkey",
            "auth-key",
            "preshared-key",
            "encrypt",
            "SharedAccessSignature",
            "credentials",
            "oauth2-bearer",
            "PGPASSWORD",
            "token-file",
        ] {
            assert!(is_secret(name), "{name}");
        }
    }

    #[test]
    fn other_names_are_left() {
        for name in [
            "",
            "-",
            "port",
            "user",
            "path",
            "key",
            "keys",
            "keyfile",
            "tls-key",
            "auth-mode",
            "authorization-mode",
            "passive",
            "tokenizer",
            "monkey",
            "public-key",
            "compassion",
            "listen",
        ] {
            assert!(!is_secret(name), "{name}");
        }
    }
}
