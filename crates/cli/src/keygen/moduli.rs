//! `-M`.

use super::args::Args;
use super::{Outcome, Stop};

pub(super) fn generate(_: &Args) -> Outcome {
    Err(Stop::fatal(
        "option -M is not built yet in this version of Carrick.",
    ))
}

pub(super) fn screen(args: &Args) -> Outcome {
    generate(args)
}
