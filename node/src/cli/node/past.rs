//! `althing node init` and `althing node recover-vote-log`: what an operator says of a validator's past before it runs.

use std::path::PathBuf;

use althing_genesis::Genesis;
use althing_types::PublicKey;
use clap::Args;
use serde_json::json;

use crate::cli::failure::Failure;
use crate::cli::node::run::{configuration_at, read_genesis, read_public_key};
use crate::cli::node::why;
use crate::cli::output::Output;
use crate::cli::{Exit, home_or_default};
use crate::config::Config;
use crate::shell::{self, Owner};

/// Whose folder it is.
#[derive(Debug, Args)]
pub(crate) struct Whose {
    /// The genesis document [default: HOME/config/genesis.json]
    #[arg(long, value_name = "FILE")]
    genesis: Option<PathBuf>,
    /// The validator's key; its public half is enough [default: HOME/config/validator_key.pem]
    #[arg(long, value_name = "FILE")]
    validator_key: Option<PathBuf>,
    /// A file whose one line is the password of the key
    #[arg(long, value_name = "FILE")]
    password_file: Option<PathBuf>,
    /// Where the node keeps its data [default: HOME/data]
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// A configuration file [default: HOME/config/config.toml, if it is there]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct Init {
    #[command(flatten)]
    whose: Whose,
}

#[derive(Debug, Args)]
pub(crate) struct RecoverVoteLog {
    #[command(flatten)]
    whose: Whose,
    /// No other process votes with this key, and none will
    #[arg(long)]
    yes: bool,
}

/// What these commands work with.
pub(crate) struct Subject {
    pub(crate) genesis: Genesis,
    pub(crate) owner: Owner,
    pub(crate) key_path: PathBuf,
    pub(crate) data: PathBuf,
    pub(crate) config: Config,
}

impl Whose {
    /// The folder of a validator, and its key.
    pub(crate) fn validator(self, home: Option<PathBuf>) -> Result<(Subject, PublicKey), Failure> {
        self.subject(home, None).map(|subject| {
            let key = *subject.owner.key();
            (subject, key)
        })
    }

    /// The folder of an observer with this node key, or the one that is configured.
    pub(crate) fn observer(self, home: Option<PathBuf>, node_key: Option<PathBuf>) -> Result<Subject, Failure> {
        self.subject(home, Some(node_key))
    }

    fn subject(self, home: Option<PathBuf>, observer: Option<Option<PathBuf>>) -> Result<Subject, Failure> {
        let home = home_or_default(home)?;
        let mut config = configuration_at(self.config.as_ref(), &home)?;
        let here = |path: PathBuf| std::path::absolute(&path).unwrap_or(path);
        let paths = &mut config.files;
        paths.genesis = self.genesis.map_or_else(|| paths.genesis.clone(), here);
        paths.validator_key = self.validator_key.map_or_else(|| paths.validator_key.clone(), here);
        paths.data = self.data.map_or_else(|| paths.data.clone(), here);
        paths.password = self.password_file.map(here).or_else(|| paths.password.clone());
        let genesis = read_genesis(&home.join(&config.files.genesis))?;
        let key_path = match &observer {
            None => home.join(&config.files.validator_key),
            Some(given) => given.clone().map_or_else(|| home.join(&config.files.node_key), here),
        };
        let password = config.files.password.as_deref().map(|path| home.join(path));
        let key = read_public_key(&key_path, password, &genesis)?;
        let owner = if observer.is_some() { Owner::Observer(key) } else { Owner::Validator(key) };
        let data = home.join(&config.files.data);
        Ok(Subject { genesis, owner, key_path, data, config })
    }
}

impl Init {
    pub(crate) fn run(self, home: Option<PathBuf>, output: &Output) -> Result<Exit, Failure> {
        let (Subject { genesis, key_path, data, config, .. }, key) = self.whose.validator(home)?;
        shell::begin(&genesis, &key, &data, &config).map_err(|error| why::not_started(&error, &key_path))?;
        let text = || format!("begun: {}; this validator has signed nothing yet\n", data.display());
        output.either(text, json!({ "data": data, "chainId": genesis.chain_id(), "validator": key.to_string() }))?;
        Ok(Exit::Done)
    }
}

impl RecoverVoteLog {
    pub(crate) fn run(self, home: Option<PathBuf>, output: &Output) -> Result<Exit, Failure> {
        let (Subject { genesis, key_path, data, config, .. }, key) = self.whose.validator(home)?;
        if !self.yes {
            let message = format!(
                "this makes the validator {key} forget what it voted: it will not vote until enough others have proven \
                 where they are, and takes in no transactions until the next epoch"
            );
            return Err(Failure::new(Exit::Usage, "NOT_CONFIRMED", message)
                .hint("make sure that no other process votes with this key, then give --yes"));
        }
        let recovered = shell::recover_votes(&genesis, &key, &data, &config)
            .map_err(|error| why::not_started(&error, &key_path))?;
        let (needed, others) = (recovered.needed, recovered.others);
        let hope = if needed > others {
            "which there are not: on this chain a lost vote log cannot be made up for, and this validator will not vote \
             again before the next epoch"
        } else {
            "start it with `althing node run`; `althing why` says how far it is"
        };
        let text = || format!("it votes once {needed} of {others} other validators have proven their views: {hope}\n");
        let fields = json!({
            "data": data, "validator": key.to_string(), "height": recovered.height.to_string(),
            "votedView": recovered.voted.to_string(), "needed": needed, "others": others,
        });
        output.either(text, fields)?;
        Ok(Exit::Done)
    }
}
