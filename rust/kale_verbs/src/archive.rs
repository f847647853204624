//! `archive` and `unarchive`: runs of a cluster that are out of the way there, and back.

use kale_kubeflow::Client;
use kale_model::{RemoteRun, RunId};
use serde::{Deserialize, Serialize};

use crate::cluster;
use crate::error::VerbError;
use crate::history::StoreChoice;
use crate::session::Session;

#[derive(Clone, Debug, Default, Deserialize)]
pub struct ArchiveRequest {
    pub run: String,
    #[serde(flatten)]
    pub store: StoreChoice,
}

#[derive(Debug, Serialize)]
pub struct ArchiveAnswer {
    pub run_id: RunId,
    pub context: String,
    pub remote: RemoteRun,
    /// Where it is on the cluster now.
    pub archived: bool,
}

/// Its record here stays as it is: `gc` is for that.
pub fn archive(session: &Session, request: &ArchiveRequest) -> Result<ArchiveAnswer, VerbError> {
    change(session, request, true)
}

pub fn unarchive(session: &Session, request: &ArchiveRequest) -> Result<ArchiveAnswer, VerbError> {
    change(session, request, false)
}

fn change(session: &Session, request: &ArchiveRequest, archived: bool) -> Result<ArchiveAnswer, VerbError> {
    let (store, run_id) = request.store.find(session, &request.run)?;
    let record = store.run(&run_id)?;
    let (Some(context), Some(remote)) = (record.options.context, store.remote(&run_id)?) else {
        let message = format!("the run `{run_id}` is on no cluster");
        return Err(VerbError::usage(message, "`kale-rs gc` removes old runs of this machine"));
    };
    let (context, client) = cluster::connect(Some(&context))?;
    let change = if archived { Client::archive } else { Client::unarchive };
    change(&client, &remote.id)?;
    Ok(ArchiveAnswer { run_id, context, remote, archived })
}
