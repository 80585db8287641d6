use super::*;
use crate::auth::Secret;

type Pairs<'a> = &'a [(&'a str, &'a str)];

fn pairs(list: Pairs<'_>) -> Vec<(String, String)> {
    list.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

fn load(flags: Pairs<'_>, environment: Pairs<'_>, file: Option<&str>) -> Result<(Config, Vec<String>), ConfigError> {
    let path = file.map(|text| {
        let name = crate::auth::new_secret("cossistant-config-").unwrap();
        let path = std::env::temp_dir().join(name.expose());
        std::fs::write(&path, text).unwrap();
        path
    });
    let result = Config::load(pairs(flags), pairs(environment).into_iter(), path.as_deref());
    if let Some(path) = path {
        std::fs::remove_file(path).unwrap();
    }
    result
}

fn flags(list: Pairs<'_>) -> Result<Config, ConfigError> {
    load(list, &[], None).map(|(config, _)| config)
}

fn error(list: Pairs<'_>) -> String {
    flags(list).unwrap_err().to_string()
}

#[test]
fn the_defaults_are_those_of_the_contract() {
    let (config, warnings) = load(&[], &[], None).unwrap();
    assert!(warnings.is_empty());
    assert_eq!(config.listen.to_string(), "127.0.0.1:8787");
    assert_eq!(config.data, Path::new("./data"));
    assert!(!config.dev && config.admin_key.is_none() && config.jwt_secret.is_none());
    assert_eq!((config.max_message_bytes, config.max_outbox_bytes, config.replay_limit), (65_536, 1 << 20, 1000));
    let seconds = [config.heartbeat_interval, config.auth_timeout, config.presence_grace, config.typing_expiry];
    assert_eq!(seconds.map(|duration| duration.as_secs()), [30, 5, 10, 6]);
    assert_eq!(config.drain_window, Duration::from_secs(10));
    assert_eq!((config.limit_visitor_messages, config.limit_visitor_messages_burst), (10.0, 50));
    assert_eq!((config.limit_team_messages, config.limit_team_messages_burst), (200.0, 1000));
    assert_eq!((config.limit_ephemeral, config.limit_ephemeral_burst), (50.0, 200));
    assert_eq!((config.limit_frames, config.limit_frames_burst), (300.0, 2000));
    assert_eq!((config.limit_connects, config.limit_connects_burst), (50.0, 500));
    assert_eq!(
        (config.limit_subscriptions, config.limit_connections, config.limit_connections_total),
        (1000, 10_000, 0)
    );
    assert_eq!(config.limit_waiting_connections, 10_000);
    assert_eq!((config.limit_new_visitors, config.limit_new_visitors_burst), (5.0, 5));
    assert_eq!((config.limit_new_conversations, config.limit_new_conversations_burst), (1.0, 1));
    assert_eq!((config.limit_website_messages, config.limit_website_messages_burst), (500.0, 5000));
    assert_eq!((config.limit_website_new_visitors, config.limit_website_new_visitors_burst), (100.0, 2000));
    assert_eq!((config.limit_wrong_credentials, config.limit_wrong_credentials_burst), (5.0, 100));
    assert_eq!((config.limit_requests, config.limit_requests_burst), (500.0, 5000));
    assert_eq!((config.limit_http_connections, config.limit_http_connections_total), (1000, 10_000));
    assert_eq!(config.limit_website_connections, 100_000);
    assert_eq!(config.typing_interval, Some(Duration::from_millis(100)));
}

#[test]
fn flags_win_then_environment_then_file() {
    let file = Some("drain_window = \"1s\"\nreplay_limit = 1\nshards = 1\n");
    let environment = &[("COSSISTANT_DRAIN_WINDOW", "2s"), ("COSSISTANT_REPLAY_LIMIT", "2"), ("HOME", "/")];
    let (config, warnings) = load(&[("--drain-window", "3s")], environment, file).unwrap();
    assert_eq!((config.drain_window.as_secs(), config.replay_limit, config.shards), (3, 2, 1));
    assert!(warnings.is_empty());
}

#[test]
fn every_key_is_read_from_all_three_sources() {
    let of = |key: &Key| match key.name {
        "admin_key" => "ak_0123456789abcdefghij",
        "jwt_secret" | "visitor_secret" => "0123456789abcdef0123456789abcdef",
        "jwt_algorithm" => "HS256",
        "ops_listen" => "127.0.0.1:9",
        "typing_interval" => "1s",
        "otlp_endpoint" => "http://127.0.0.1:4318",
        _ if !key.default.is_empty() => key.default,
        _ if key.form == "RANGES" => "10.0.0.0/8",
        _ => "text",
    };
    for key in KEYS.iter().filter(|key| !key.name.ends_with("_url") || key.name == "jwt_jwks_url") {
        let text = of(key);
        let flag = (key.name, text);
        let variable = format!("COSSISTANT_{}", key.name.to_ascii_uppercase());
        let file = format!("{} = \"{text}\"", key.name);
        if key.name.contains("tls_") || key.name.contains("_previous") || key.name.starts_with("nats_") {
            // One goes not without the other.
            continue;
        }
        let by_flag = load(&[flag], &[], None).expect(key.name);
        let by_environment = load(&[], &[(&variable, text)], None).expect(key.name);
        let by_file = load(&[], &[], Some(&file)).expect(key.name);
        assert_eq!(by_flag, by_environment, "{}", key.name);
        assert_eq!(by_flag, by_file, "{}", key.name);
        assert!(key.doc.ends_with('.') && key.doc.len() < 200, "{}", key.name);
    }
}

#[test]
fn the_file_takes_values_of_their_own_types() {
    let file =
        "dev = true\nlimit_frames = 0.5\nmax_message_bytes = 1_024\ntrusted_proxies = [\"10.0.0.0/8\", \"::1\"]\n";
    let (config, _) = load(&[], &[], Some(file)).unwrap();
    assert!(config.dev && config.trusts_proxy("10.1.1.1".parse().unwrap()));
    assert!(!config.trusts_proxy("11.1.1.1".parse().unwrap()));
    assert_eq!((config.limit_frames, config.max_message_bytes), (0.5, 1024));
}

#[test]
fn unknown_keys_are_refused_in_file_and_flags_with_the_nearest() {
    assert_eq!(
        error(&[("drain-windw", "1s")]),
        "--drain-windw is not a key of the configuration; did you mean drain_window?"
    );
    assert_eq!(error(&[("--quux", "1")]), "--quux is not a key of the configuration");
    let from_file = load(&[], &[], Some("jwt-secret = \"x\"")).unwrap_err().to_string();
    assert!(
        from_file.starts_with("jwt-secret in ") && from_file.ends_with("; did you mean jwt_secret?"),
        "{from_file}"
    );
    assert!(load(&[], &[], Some("config = \"x\"")).is_err());
    assert!(load(&[], &[], Some("[limits]\nframes = 1")).is_err());
}

#[test]
fn unknown_names_of_the_environment_are_warned_of() {
    let environment =
        &[("COSSISTANT_SERVICE_HOST", "10.0.0.1"), ("COSSISTANT_JWT_SECRT", "x"), ("COSSISTANT_EMPTY", "")];
    let (_, warnings) = load(&[], environment, None).unwrap();
    assert_eq!(
        warnings,
        [
            "COSSISTANT_JWT_SECRT is not a key of the configuration and is ignored; did you mean jwt_secret?",
            "COSSISTANT_SERVICE_HOST is not a key of the configuration and is ignored",
        ]
    );
}

#[test]
fn empty_variables_are_unset() {
    let (config, warnings) = load(&[], &[("COSSISTANT_JWT_SECRET", ""), ("COSSISTANT_LISTEN", "")], None).unwrap();
    assert_eq!((config, warnings), (load(&[], &[], None).unwrap().0, Vec::new()));
}

#[test]
fn the_environment_may_name_the_file() {
    let name = crate::auth::new_secret("cossistant-config-").unwrap();
    let path = std::env::temp_dir().join(name.expose());
    std::fs::write(&path, "shards = 3").unwrap();
    let (config, warnings) = load(&[], &[("COSSISTANT_CONFIG", path.to_str().unwrap())], None).unwrap();
    std::fs::remove_file(path).unwrap();
    assert_eq!((config.shards, warnings.len()), (3, 0));
}

#[test]
fn wrong_values_are_named_with_what_is_allowed() {
    assert_eq!(
        error(&[("drain_window", "10")]),
        "--drain-window is \"10\", but must be a whole number with a unit: 500ms, 30s, 2m, 1h or 7d"
    );
    assert_eq!(
        load(&[], &[("COSSISTANT_REPLAY_LIMIT", "-1")], None).unwrap_err().to_string(),
        "COSSISTANT_REPLAY_LIMIT is \"-1\", but must be a whole number from 0, such as 1000 or 1_000"
    );
    let from_file = load(&[], &[], Some("listen = 8787")).unwrap_err().to_string();
    assert!(
        from_file.starts_with("listen in ") && from_file.contains("but must be an address with a port"),
        "{from_file}"
    );
    for (key, value) in [
        ("dev", "yes"),
        ("log_format", "xml"),
        ("log_level", "loud"),
        ("jwt_algorithm", "none"),
        ("jwt_algorithm", "HS512"),
        ("trusted_proxies", "all"),
        ("limit_frames", "-1"),
        ("data", ""),
    ] {
        assert!(matches!(flags(&[(key, value)]), Err(ConfigError::WrongValue { .. })), "{key}");
    }
    assert!(load(&[], &[], Some("shards = { a = 1 }")).unwrap_err().to_string().contains("is \"table\""));
    // Wrong is wrong, even where another source wins.
    assert!(load(&[("shards", "1")], &[], Some("shards = \"x\"")).is_err());
}

#[test]
fn secrets_are_not_shown() {
    let message = error(&[("admin_key", "hunter2")]);
    assert_eq!(message, "--admin-key is a secret that is not shown, but must be a text that begins with ak_");
    assert!(!error(&[("jwt_secret", "hunter2")]).contains("hunter2"));
    let message = load(&[], &[], Some("shards = 1\njwt_secret = \"hunter2")).unwrap_err().to_string();
    assert!(message.contains("line 2") && !message.contains("hunter2"), "{message}");
    let config = flags(&[("jwt_secret", "hunter2hunter2hunter2hunter2hunter2")]).unwrap();
    assert!(!format!("{config:?}").contains("hunter2"));
}

#[test]
fn a_file_that_is_not_there_is_refused() {
    let missing = Config::load(Vec::new(), std::iter::empty(), Some(Path::new("/nonexistent/c.toml")));
    assert!(matches!(missing, Err(ConfigError::File { .. })));
    assert!(load(&[], &[], Some("shards = 1\nshards = 2")).is_err());
}

#[test]
fn dev_has_known_keys_no_limits_and_stays_on_loopback() {
    let config = flags(&[("dev", "true")]).unwrap();
    assert_eq!(config.admin_key.as_ref().map(Secret::expose), Some("ak_dev"));
    assert_eq!(config.jwt_secret.as_ref().map(Secret::expose), Some("dev-secret-dev-secret-dev-secret-"));
    for rate in [
        config.limit_visitor_messages,
        config.limit_team_messages,
        config.limit_ephemeral,
        config.limit_frames,
        config.limit_connects,
        config.limit_new_visitors,
        config.limit_new_conversations,
        config.limit_website_messages,
        config.limit_website_new_visitors,
        config.limit_wrong_credentials,
        config.limit_requests,
    ] {
        assert_eq!(rate, 0.0);
    }
    assert_eq!((config.limit_subscriptions, config.limit_connections), (0, 0));
    assert_eq!(config.wire_limits().max_subscriptions, None);

    let config =
        flags(&[("dev", "true"), ("limit_frames", "7"), ("jwt_secret", "0123456789abcdef0123456789abcdef")]).unwrap();
    assert_eq!((config.limit_frames, config.limit_frames_burst, config.limit_connects), (7.0, 2000, 0.0));
    assert_ne!(config.jwt_secret.as_ref().map(Secret::expose), Some(DEMO_JWT_SECRET));

    for address in ["0.0.0.0:0", "[::]:0", "192.168.1.1:80"] {
        assert!(error(&[("dev", "true"), ("listen", address)]).contains("must be on loopback"), "{address}");
        assert!(error(&[("dev", "true"), ("ops_listen", address)]).starts_with("ops_listen"), "{address}");
    }
    for address in ["127.0.0.1:0", "[::1]:0", "127.9.9.9:1"] {
        assert!(flags(&[("dev", "true"), ("listen", address)]).is_ok(), "{address}");
    }
}

#[test]
fn relations_are_checked() {
    assert_eq!(
        error(&[("max_outbox_bytes", "1000")]),
        "max_outbox_bytes is 1000, but must be at least max_message_bytes (65536)"
    );
    for (list, key) in [
        (&[("max_message_bytes", "10")][..], "max_message_bytes"),
        (&[("max_message_bytes", "99999999")], "max_message_bytes"),
        (&[("heartbeat_interval", "1s"), ("auth_timeout", "3s")], "auth_timeout"),
        (&[("heartbeat_interval", "0s")], "heartbeat_interval"),
        (&[("typing_interval", "6s")], "typing_interval"),
        (&[("typing_expiry", "0ms")], "typing_expiry"),
        (&[("limit_frames_burst", "0")], "limit_frames_burst"),
        (&[("ops_listen", "127.0.0.1:8787")], "ops_listen"),
        (&[("jwt_secret", "short")], "jwt_secret"),
        (&[("visitor_secret", "0123456789abcdef")], "visitor_secret"),
        (&[("visitor_secret_previous", "0123456789abcdef")], "visitor_secret_previous"),
        (&[("tls_cert", "cert.pem")], "tls_cert"),
        (&[("tls_key", "key.pem")], "tls_key"),
        (&[("trace_ratio", "1.5")], "trace_ratio"),
        (&[("otlp_endpoint", "collector:4318")], "otlp_endpoint"),
        (&[("jwt_secret_previous", "0123456789abcdef")], "jwt_secret_previous"),
        (&[("jwt_secret_previous_until", "2099-01-01T00:00:00Z")], "jwt_secret_previous_until"),
        (&[("admin_key_previous", "ak_1"), ("admin_key_previous_until", "2099-01-01T00:00:00Z")], "admin_key_previous"),
        (&[("jwt_algorithm", "RS256")], "jwt_algorithm"),
        (&[("jwt_algorithm", "HS256"), ("jwt_public_key", "key.pem")], "jwt_algorithm"),
    ] {
        match flags(list) {
            Err(ConfigError::Conflict { key: found, .. }) => assert_eq!(found, key),
            other => panic!("{list:?}: {other:?}"),
        }
    }
    // What nobody set follows from what was set.
    let config =
        flags(&[("heartbeat_interval", "1s"), ("typing_expiry", "150ms"), ("limit_new_visitors", "2.5")]).unwrap();
    assert_eq!(config.auth_timeout, Duration::from_millis(2500));
    assert_eq!(config.typing_interval, Some(Duration::from_millis(50)));
    assert_eq!(config.limit_new_visitors_burst, 3);
    assert!(flags(&[("limit_frames", "0"), ("limit_frames_burst", "0")]).is_ok());
}

#[test]
fn what_is_weak_is_warned_of() {
    let ended = [
        ("jwt_secret", "0123456789abcdef0123456789abcdef"),
        ("jwt_secret_previous", "0123456789abcdef"),
        ("jwt_secret_previous_until", "2001-01-01T00:00:00Z"),
    ];
    for (list, part) in [
        (&ended[..], "can be left out"),
        (&[("jwt_secret", "0123456789abcdef")], "safer"),
        (&[("jwt_secret", DEMO_JWT_SECRET)], "everybody knows"),
        (&[("admin_key", "ak_short")], "guessed"),
        (&[("jwt_jwks_url", "http://keys.example.com/")], "https"),
        (&[("nats_url", "nats://bus"), ("database_url", "postgres://db/chat")], "visitor_secret"),
    ] {
        let (_, warnings) = load(list, &[], None).unwrap();
        assert!(warnings.len() == 1 && warnings[0].contains(part), "{warnings:?}");
    }
}

#[test]
fn an_address_of_nats_is_judged_and_never_shown() {
    let database = ("database_url", "postgres://user:hunter2@db/chat");
    let bus = ("nats_url", "nats://user:hunter3@bus,bus2:4223");
    let (config, _) = load(&[database, bus], &[], None).unwrap();
    assert!(config.nats().unwrap().is_ok() && !format!("{config:?}").contains("hunter"));
    let alone = error(&[bus]);
    assert!(alone.starts_with("nats_url needs database_url") && !alone.contains("hunter"), "{alone}");
    let wrong = error(&[database, ("nats_url", "http://user:hunter3@bus")]);
    assert!(wrong.starts_with("nats_url must begin") && !wrong.contains("hunter"), "{wrong}");
    for key in ["nats_credentials", "nats_tls_ca"] {
        assert!(error(&[database, (key, "file")]).starts_with(&format!("{key} needs nats_url")));
        let missing = error(&[database, bus, (key, "/nowhere/at/all")]);
        assert!(missing.starts_with(&format!("{key} cannot be used: /nowhere/at/all")), "{missing}");
    }
}

#[test]
fn an_address_of_a_database_is_judged_and_never_shown() {
    let (config, _) = load(&[("database_url", "postgres://user:hunter2@db/chat")], &[], None).unwrap();
    assert!(config.database_url.is_some() && config.database_prepared);
    assert!(!format!("{config:?}").contains("hunter2"));
    for wrong in ["mysql://user:hunter2@db/chat", "postgres://user:hunter2@db:port/chat", "postgres://user:hunter2@db"]
    {
        let message = error(&[("database_url", wrong)]);
        assert!(message.starts_with("database_url is not an address") && !message.contains("hunter2"), "{message}");
    }
    assert!(error(&[("database_readers", "0")]).contains("at least 1"));
}

#[test]
fn the_demo_lets_pages_of_this_machine_in() {
    use crate::directory::Directory;
    let directory = Directory::new(demo_rows(cossistant_protocol::Timestamp(1)), 1);
    let site = &directory.public_key(DEMO_PUBLIC_KEY).unwrap().site;
    assert_eq!((site.organization.as_str(), site.website.as_str()), (DEMO_ORGANIZATION, DEMO_WEBSITE));
    assert!(directory.secret_key(DEMO_SECRET_KEY).is_some());
    let website = directory.website(site).unwrap();
    for origin in ["http://localhost:5173", "https://shop.localhost", "http://127.0.0.1:80", "http://[::1]:3000"] {
        assert!(website.allows(origin), "{origin}");
    }
    assert!(!website.allows("https://example.com"));
}

fn check(flags: Pairs<'_>, environment: Pairs<'_>, path: Option<&Path>) -> Checked {
    Config::check(pairs(flags), pairs(environment).into_iter(), path)
}

#[test]
fn every_mistake_is_told_with_its_place() {
    let name = crate::auth::new_secret("cossistant-config-").unwrap();
    let path = std::env::temp_dir().join(name.expose());
    std::fs::write(&path, "drain_windw = \"1s\"\nshards = \"x\"\ntyping_expiry = \"0s\"\n").unwrap();
    let checked = check(
        &[("max_outbox_bytes", "1000"), ("quux", "1")],
        &[("COSSISTANT_LISTEN", "here"), ("COSSISTANT_OTHER", "1")],
        Some(&path),
    );
    std::fs::remove_file(&path).unwrap();
    let file = path.display();
    let mut places: Vec<String> = checked.problems.into_iter().map(|problem| problem.place).collect();
    places.sort();
    let mut expected = [
        format!("drain_windw in {file}"),
        format!("shards in {file}"),
        format!("typing_expiry in {file}"),
        "COSSISTANT_LISTEN".to_owned(),
        "--quux".to_owned(),
        "--max-outbox-bytes".to_owned(),
        // Nobody gave it: it follows from the expiry, which is told.
    ];
    expected.sort();
    assert_eq!(places, expected);
    assert_eq!(checked.warnings.len(), 1);
}

#[test]
fn what_follows_from_a_mistake_is_none() {
    let wrong =
        |list: Pairs<'_>| check(list, &[], None).problems.into_iter().map(|problem| problem.place).collect::<Vec<_>>();
    // By its default the outbox would be too small for such messages, if they were allowed.
    assert_eq!(wrong(&[("max_message_bytes", "99999999")]), ["--max-message-bytes"]);
    assert_eq!(wrong(&[("heartbeat_interval", "0s")]), ["--heartbeat-interval"]);
    assert_eq!(wrong(&[("heartbeat_interval", "soon"), ("auth_timeout", "2m")]), ["--heartbeat-interval"]);
    // Of a default it is the key that is told.
    assert_eq!(wrong(&[("max_message_bytes", "2097152")]), ["max_outbox_bytes"]);
}

#[test]
fn what_is_in_force_is_shown_with_its_place_and_without_secrets() {
    let checked = check(
        &[("jwt_secret", "hunter2hunter2hunter2hunter2hunter2"), ("drain_window", "90s")],
        &[("COSSISTANT_JWT_JWKS_URL", "https://me:hunter2@keys.example/set?token=hunter2")],
        None,
    );
    assert_eq!(checked.problems, []);
    let of = |name: &str| {
        let found = checked.effective.iter().find(|value| value.key.name == name).unwrap();
        (found.value.as_str(), found.place.as_deref())
    };
    assert_eq!(of("drain_window"), ("90s", Some("--drain-window")));
    assert_eq!(of("jwt_secret"), ("a secret of 35 bytes", Some("--jwt-secret")));
    assert_eq!(of("jwt_jwks_url"), ("https://hidden@keys.example/set?hidden", Some("COSSISTANT_JWT_JWKS_URL")));
    assert_eq!(of("listen"), ("127.0.0.1:8787", None));
    assert_eq!(of("ops_listen"), ("", None));
    assert_eq!(checked.effective.len(), KEYS.len());
    assert!(!format!("{:?}", checked.effective).contains("hunter2"));

    // Whoever is let in by a token alone writes it where a name stands.
    for (given, shown) in [
        ("https://hunter2@traces.example/otlp", "https://hidden@traces.example/otlp"),
        ("https://hunter2:@traces.example/otlp", "https://hidden@traces.example/otlp"),
        ("https://:hunter2@traces.example/otlp", "https://hidden@traces.example/otlp"),
        ("https://traces.example/otlp", "https://traces.example/otlp"),
    ] {
        let checked = check(&[("otlp_endpoint", given)], &[], None);
        let endpoint = checked.effective.iter().find(|value| value.key.name == "otlp_endpoint").unwrap();
        assert_eq!(endpoint.value, shown, "{given}");
    }
}

#[test]
fn what_is_shown_is_read_again() {
    let checked = check(&[("trusted_proxies", "10.0.0.0/8,::1"), ("limit_frames", "0.5")], &[], None);
    let mut again = Config::default();
    for value in &checked.effective {
        assert!(value.key.is_secret() || (value.key.set)(&mut again, &value.value), "{}", value.key.name);
    }
    assert_eq!(again, checked.config);
}
