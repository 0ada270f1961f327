//! Random sequences of calls against a model made of two vectors.

use proptest::prelude::*;

use super::*;

#[derive(Clone, Debug)]
enum Call {
    Append(Vec<u8>),
    Sync,
    Replace(Vec<Vec<u8>>),
    Reopen,
}

fn record() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![8 => prop::collection::vec(any::<u8>(), 0..60), 1 => prop::collection::vec(0..2_u8, 200..900)]
}

fn call() -> impl Strategy<Value = Call> {
    prop_oneof![
        6 => record().prop_map(Call::Append),
        3 => Just(Call::Sync),
        1 => prop::collection::vec(record(), 0..4).prop_map(Call::Replace),
        1 => Just(Call::Reopen),
    ]
}

#[derive(Default)]
struct Model {
    durable: Vec<Vec<u8>>,
    pending: Vec<Vec<u8>>,
    durable_lsn: u64,
}

impl Model {
    fn appended(&self) -> u64 {
        self.durable_lsn + self.pending.len() as u64
    }

    fn sync(&mut self) -> Lsn {
        self.durable_lsn = self.appended();
        self.durable.append(&mut self.pending);
        Lsn::new(self.durable_lsn)
    }

    fn replace(&mut self, base: &[Vec<u8>]) -> Lsn {
        self.durable_lsn = self.appended() + base.len() as u64;
        self.durable = base.to_vec();
        self.pending.clear();
        Lsn::new(self.durable_lsn)
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_sequence_of_calls_agrees_with_the_model(
        calls in prop::collection::vec(call(), 0..60),
        segment_bytes in 150_u64..2000,
    ) {
        let folder = TempDir::new().expect("a temporary folder");
        let (mut log, found) = open(folder.path(), segment_bytes);
        prop_assert!(found.is_empty());
        let mut model = Model::default();
        for call in calls {
            match call {
                Call::Append(record) => {
                    let lsn = log.append(&record).expect("appended");
                    model.pending.push(record);
                    prop_assert_eq!(lsn, Lsn::new(model.appended()));
                }
                Call::Sync => prop_assert_eq!(log.sync().expect("synced"), model.sync()),
                Call::Replace(base) => {
                    prop_assert_eq!(log.replace(&base).expect("compacted"), model.replace(&base));
                }
                Call::Reopen => {
                    let bytes = log.bytes() - log.pending.len() as u64;
                    drop(log);
                    let (reopened, found) = open(folder.path(), segment_bytes);
                    log = reopened;
                    model.pending.clear();
                    prop_assert_eq!(&found, &model.durable);
                    prop_assert_eq!(log.bytes(), bytes);
                }
            }
            prop_assert_eq!(log.durable(), Lsn::new(model.durable_lsn));
        }
        drop(log);
        prop_assert_eq!(open(folder.path(), segment_bytes).1, model.durable);
    }
}
