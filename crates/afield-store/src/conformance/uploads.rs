//! Files that go with prompts: stored once, seen by their org and its runners alone, gone when no
//! command needs them.

use afield_proto::attachment::{Attachment, StoredBlob, TEXT};
use afield_proto::command::{CommandState, OutcomeKind};
use afield_proto::device::Scopes;
use afield_proto::{CommandId, DeviceId, OrgId, ProjectId};
use futures::future::join;

use super::world::assert_refused;
use super::{Outcome, Place, World, at};
use crate::{
    Accept, Carried, EditCommand, Error, NewUpload, Refusal, SubmitCommand, UploadPart, WhichDead,
};

/// As much as an org may keep here.
const BYTES_MAX: u64 = 1000;

impl World {
    async fn keep(&self, body: &[u8], ms: i64) -> Result<StoredBlob, Error> {
        let (org, body) = (self.org, body.to_vec());
        let new = NewUpload { org, media_type: TEXT, body, bytes_max: BYTES_MAX };
        self.store.keep_upload(new, at(ms)).await
    }

    fn with(&self, project: ProjectId, attachments: Vec<Attachment>) -> SubmitCommand {
        SubmitCommand { attachments, ..self.queued(project, "look") }
    }

    async fn part(&self, runner: DeviceId, of: (CommandId, &str), offset: u64) -> Parts {
        let part = UploadPart { command_id: of.0, hash: of.1.to_owned(), offset, bytes: 4 };
        self.store.upload_part(self.org, runner, part).await
    }

    async fn is_kept(&self, blob: &StoredBlob) -> bool {
        self.store.upload(self.org, &blob.hash).await.is_ok()
    }
}

type Parts = Result<Vec<u8>, Error>;

fn named(blob: &StoredBlob, name: &str) -> Attachment {
    let StoredBlob { hash, media_type, bytes } = blob.clone();
    Attachment { hash, name: name.to_owned(), media_type, bytes }
}

/// The same bytes are kept once and count once; another org neither sees them nor pays for them.
pub async fn uploads_are_kept_once_in_their_org(place: Place) -> Outcome {
    let world = World::open(&place).await?;
    let first = world.keep(b"hello", 1).await?;
    assert_eq!(first.hash, "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824");
    assert_eq!((first.bytes, first.media_type.as_str()), (5, TEXT));
    assert_eq!(world.keep(b"hello", 2).await?, first);
    world.keep(&[b'x'; 995], 3).await?;
    let full = world.keep(b"one more", 4).await;
    assert_refused!(full, Refusal::UploadLimit { used: 1000, limit: BYTES_MAX });
    assert_eq!(world.keep(b"hello", 5).await?, first, "what is there costs nothing");
    assert_eq!(world.store.upload(world.org, &first.hash).await?.body, b"hello");
    let other = super::another_org(&world.store).await?.org_id;
    assert_refused!(world.store.upload(other, &first.hash).await, Refusal::BlobNotFound);
    let body = b"hello".to_vec();
    let theirs = NewUpload { org: other, media_type: TEXT, body, bytes_max: BYTES_MAX };
    assert_eq!(world.store.keep_upload(theirs, at(6)).await?, first);
    Ok(())
}

/// A runner reads, part by part, what goes with a command it was given, while it works on it.
pub async fn a_runner_gets_what_goes_with_its_commands(place: Place) -> Outcome {
    let world = World::open(&place).await?;
    let project = world.project("/a").await?.id;
    let [blob, other] = [world.keep(b"0123456789", 1).await?, world.keep(b"other", 1).await?];
    let submit = world.with(project, vec![named(&blob, "a.txt")]);
    let id = world.accept(submit, 2).await?;
    let of = (id, blob.hash.as_str());
    let (runner, stranger) = (world.runner, DeviceId::generate());
    assert_refused!(world.part(runner, of, 0).await, Refusal::BlobNotFound);
    let orders = world.store.lease_commands(world.org, world.runner, 9, at(3)).await?;
    assert_eq!(orders[0].attachments, [named(&blob, "a.txt")]);
    assert_eq!(world.part(runner, of, 0).await?, b"0123");
    assert_eq!(world.part(runner, of, 8).await?, b"89");
    assert_eq!(world.part(runner, of, u64::MAX).await?, b"");
    assert_refused!(world.part(stranger, of, 0).await, Refusal::BlobNotFound);
    assert_refused!(world.part(runner, (id, &other.hash), 0).await, Refusal::BlobNotFound);
    let part = UploadPart { command_id: id, hash: blob.hash.clone(), offset: 0, bytes: 4 };
    let foreign = world.store.upload_part(OrgId::generate(), runner, part).await;
    assert_refused!(foreign, Refusal::BlobNotFound);
    world.run(orders[0].attempt, OutcomeKind::Succeeded).await?;
    assert_refused!(world.part(runner, of, 0).await, Refusal::BlobNotFound);
    Ok(())
}

/// What is attached must be there and be what it says; an edit replaces it; a repetition is compared.
pub async fn attachments_follow_their_command(place: Place) -> Outcome {
    let world = World::open(&place).await?;
    let project = world.project("/a").await?.id;
    let [one, two] = [world.keep(b"one", 1).await?, world.keep(b"two", 1).await?];
    let missing = StoredBlob { hash: "0".repeat(64), ..one.clone() };
    let lies = StoredBlob { bytes: 4, ..one.clone() };
    for wrong in [missing, lies] {
        let refused = world.accept(world.with(project, vec![named(&wrong, "w")]), 2).await;
        assert_refused!(refused, Refusal::AttachmentMissing { name } if name == "w");
    }
    assert!(world.commands(Some(project)).await?.is_empty(), "nothing was accepted");
    let keyed = SubmitCommand {
        key: Some("k".into()),
        accept: Accept::Queue,
        ..world.with(project, vec![named(&one, "1")])
    };
    let id = world.accept(keyed.clone(), 2).await?;
    assert!(world.store.submit_command(keyed.clone(), at(3)).await?.duplicate);
    let other = SubmitCommand { attachments: vec![named(&two, "1")], ..keyed };
    assert_refused!(world.accept(other, 3).await, Refusal::KeyConflict { .. });
    let words = Carried::words("other", afield_proto::agent::AgentKind::Claude);
    let payload = Carried { attachments: vec![named(&two, "2")], ..words };
    let edit = EditCommand { payload: Some(payload), ..EditCommand::default() };
    world.store.edit_command(world.org, id, edit, at(4)).await?;
    let shown = world.store.show_command(world.org, id).await?;
    assert_eq!(shown.payload.attachments, [named(&two, "2")]);
    world.store.remove_unused_uploads(at(9)).await?;
    assert!(!world.is_kept(&one).await && world.is_kept(&two).await);
    Ok(())
}

/// What a command needs stays, also when it is over; what none needs any more goes in its time.
pub async fn unused_uploads_go(place: Place) -> Outcome {
    let world = World::open(&place).await?;
    let project = world.project("/a").await?.id;
    let [needed, unused] = [world.keep(b"needed", 1).await?, world.keep(b"unused", 5).await?];
    let id = world.accept(world.with(project, vec![named(&needed, "n")]), 2).await?;
    assert_eq!(world.store.remove_unused_uploads(at(4)).await?, Some(at(5)));
    assert!(world.is_kept(&unused).await, "its time has not come");
    world.store.cancel_command(world.org, id, world.phone, at(6)).await?;
    assert_eq!(world.state(id).await?, CommandState::Cancelled);
    assert_eq!(world.store.remove_unused_uploads(at(50)).await?, None);
    assert!(world.is_kept(&needed).await && !world.is_kept(&unused).await);
    let back = WhichDead::Named(vec![id]);
    world.store.put_back(world.org, back, None, Scopes::NONE, at(900), at(60)).await?;
    let orders = world.store.lease_commands(world.org, world.runner, 9, at(61)).await?;
    assert_eq!(orders[0].attachments.len(), 1, "tried again with all it had");
    world.run(orders[0].attempt, OutcomeKind::Succeeded).await?;
    world.store.archive_commands(vec![(world.org, id)], at(90)).await?;
    let shown = world.store.show_command(world.org, id).await?;
    assert_eq!(shown.payload.attachments, [named(&needed, "n")], "what it was is remembered");
    assert_eq!(world.store.remove_unused_uploads(at(90)).await?, None);
    assert!(!world.is_kept(&needed).await);
    Ok(())
}

/// Whoever comes first: what is accepted has its file, or it is not accepted.
pub async fn taking_and_removing_an_upload_exclude_each_other(place: Place) -> Outcome {
    let world = World::open(&place).await?;
    let project = world.project("/a").await?.id;
    for round in 0..8 {
        let blob = world.keep(format!("round {round}").as_bytes(), 1).await?;
        let submit = world.accept(world.with(project, vec![named(&blob, "x")]), 50);
        let (accepted, removed) = join(submit, world.store.remove_unused_uploads(at(40))).await;
        removed?;
        assert_eq!(accepted.is_ok(), world.is_kept(&blob).await, "{accepted:?}");
    }
    Ok(())
}
