//! Where the configuration comes from, for every command that reads it as the server does.

use std::path::PathBuf;

use clap::{Arg, ArgAction, ArgMatches, Args, FromArgMatches};
use cossistant_server::config::{Checked, Config, ConfigError, KEYS};

/// The flags of the configuration, one for each key, and the file.
#[derive(Debug)]
pub(crate) struct Sources {
    flags: Vec<(String, String)>,
    file: Option<PathBuf>,
}

impl Sources {
    /// The configuration and its warnings, or the first mistake in it.
    pub(crate) fn load(self) -> Result<(Config, Vec<String>), ConfigError> {
        Config::load(self.flags, std::env::vars(), self.file.as_deref())
    }

    /// The configuration with every mistake in it.
    pub(crate) fn check(self) -> Checked {
        Config::check(self.flags, std::env::vars(), self.file.as_deref())
    }
}

fn flag_name(key: &str) -> &'static str {
    // Flags live as long as the program, and there are few.
    Box::leak(key.replace('_', "-").into_boxed_str())
}

impl Args for Sources {
    fn augment_args(command: clap::Command) -> clap::Command {
        let command = command.arg(
            Arg::new("config")
                .long("config")
                .value_name("FILE")
                .help("A TOML file with keys of the configuration")
                .action(ArgAction::Set),
        );
        KEYS.iter().fold(command, |command, key| {
            let arg = Arg::new(key.name).long(flag_name(key.name)).help(key.doc);
            // A switch may stand without its value.
            let arg = if key.default == "false" {
                arg.num_args(0..=1).require_equals(true).default_missing_value("true").value_name("BOOL")
            } else {
                arg.num_args(1).value_name(key.form).allow_hyphen_values(true)
            };
            let arg = if key.default.is_empty() || key.default == "false" {
                arg
            } else {
                arg.help(format!("{} [default: {}]", key.doc, key.default))
            };
            command.arg(arg.action(ArgAction::Set))
        })
    }

    fn augment_args_for_update(command: clap::Command) -> clap::Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for Sources {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let flags = KEYS
            .iter()
            .filter_map(|key| Some((key.name.to_owned(), matches.get_one::<String>(key.name)?.clone())))
            .collect();
        Ok(Self { flags, file: matches.get_one::<String>("config").map(PathBuf::from) })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}
