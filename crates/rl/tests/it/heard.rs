//! What the loop says to people: its warnings, collected.

use std::sync::{Arc, Mutex};

use hone_rl::algorithms::Rltf;
use hone_rl::{Trainer, TrainerConfig};
use hone_train::CheckpointStore;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

use crate::alphabet::NextLetter;
use crate::loop_checks::{CODEC, LENGTH, LETTERS, Recorder, config};
use crate::tabular::TabularNetwork;

/// Keeps the messages of this thread.
struct Ear(Arc<Mutex<Vec<String>>>);

struct Message(String);

impl Visit for Message {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        if field.name() == "message" {
            self.0 = format!("{value:?}");
        }
    }
}

impl Subscriber for Ear {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut message = Message(String::new());
        event.record(&mut message);
        self.0.lock().unwrap().push(message.0);
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

fn heard(act: impl FnOnce()) -> Vec<String> {
    let messages = Arc::new(Mutex::new(Vec::new()));
    tracing::subscriber::with_default(Ear(Arc::clone(&messages)), act);
    messages.lock().unwrap().clone()
}

/// A policy that says nothing leaves nothing to learn from, now or later; what it leaves behind can be gone on with.
#[test]
fn an_empty_buffer_is_said_and_makes_no_update() {
    let mut network = TabularNetwork::adapter(LETTERS + 1);
    network.is_mute = true;
    let environments = NextLetter::new(LETTERS, LENGTH);
    let rltf = Rltf { imitation_coefficient: 0.0, ..Rltf::default() };
    let config = TrainerConfig { steps: 2, ..config() };
    let folder = tempfile::tempdir().unwrap();
    let store = CheckpointStore::new(folder.path(), 2);
    let mut recorder = Recorder { stop_after: Some(1), ..Recorder::default() };
    let messages = heard(|| {
        for _ in 0..2 {
            let (config, rltf) = (config.clone(), rltf.clone());
            let mut trainer = Trainer::new(config, rltf.into(), &mut network, &environments, CODEC).unwrap();
            if let Some(checkpoint) = store.latest_valid().unwrap() {
                trainer.resume_from(&checkpoint).unwrap();
            }
            trainer.run(Some(&store), &mut recorder).unwrap();
            recorder.stop_after = None;
        }
    });
    assert_eq!(recorder.reports.len(), 2);
    for step in 1..=2 {
        let warning =
            format!("step {step}: the buffer is empty, for no group so far had anything to learn from");
        assert!(messages.iter().any(|message| message.starts_with(&warning)), "{messages:#?}");
    }
    assert!(recorder.reports.iter().all(|report| report.value("update/loss").is_none()));
    assert!(network.logits.iter().all(|logit| *logit == 0.0));
}
