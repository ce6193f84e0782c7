//! `billfold token`: a token of a data folder's key, and nothing else on standard output.

use super::Surroundings;
use super::args::TokenArgs;
use super::exit::{Exit, Failure};
use crate::data_dir::make_private_folder;
use crate::serve::TOKEN_VALID_S;
use billfold_app::auth::LocalKeys;
use billfold_app::chain;
use billfold_app::{Clock as _, SystemClock};

pub(super) fn token(args: &TokenArgs, surroundings: &mut Surroundings) -> Result<(), Failure> {
    make_private_folder(&args.data).map_err(|error| Failure::new(Exit::Failed, chain(&error)))?;
    let keys = LocalKeys::load_or_create(&args.data);
    let token =
        keys.and_then(|keys| keys.issue(&args.workspace, args.role.into(), "cli", SystemClock.now(), TOKEN_VALID_S));
    let token = token.map_err(|error| Failure::new(Exit::Failed, chain(&error)))?;
    Ok(surroundings.console.result(&token)?)
}
