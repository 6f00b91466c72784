//! Why an enqueue fails.

use crate::broker::PublishError;
use crate::canvas::CanvasError;
use crate::results::ResultError;

/// Why a task was not enqueued, or may not have been.
#[derive(Debug, thiserror::Error)]
pub enum EnqueueError {
    /// The payload has no JSON form.
    #[error("the payload has no JSON form: {0}")]
    Payload(#[from] serde_json::Error),
    /// There is nothing in the workflow.
    #[error("the workflow is empty")]
    Empty,
    /// A signature in the workflow cannot be read.
    #[error(transparent)]
    Canvas(#[from] CanvasError),
    /// A chord needs a result store that counts its members.
    #[error("the result store did not take the chord: {0}")]
    Results(#[from] ResultError),
    /// An answer would be lost, and nothing was enqueued.
    #[error("its result could not be heard: {0}")]
    Unheard(#[source] ResultError),
    /// The worker has ended the run that it was to be called in.
    #[error("the run is over: nothing is enqueued in it any more")]
    Over,
    /// The broker did not take it, or did not say.
    #[error(transparent)]
    Publish(#[from] PublishError),
}
