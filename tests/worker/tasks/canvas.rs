//! Tasks that follow others: children, links, chains, groups, chords, replacements.

use std::collections::BTreeSet;

use postrider_core::{
    canvas::{Workflow, chain, chord, group},
    celery::Call,
    results::{GroupResult, ResultTree, State, WaitError},
    task::Signature,
};
use postrider_tests::servers::eventually;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::rig::named;
use super::sample::{Add, Delegate, Parent, Raise, Sum, Turn};
use super::{Rig, SOON};

fn add(x: i64, y: i64) -> Add {
    Add { x, y }
}

fn plus(y: i64) -> Call {
    named("add").kwarg("y", y)
}

#[tokio::test]
async fn a_child_is_known_to_its_parent_and_knows_it() {
    let rig = Rig::start();

    let parent = rig.end(Parent {}).await;

    let child: String = serde_json::from_value(parent.result).unwrap();
    assert_eq!(parent.children, Some(vec![ResultTree::task(child.as_str())]));
    let child = rig.result(&child).wait(SOON).await.unwrap();
    assert_eq!((child.result, child.parent_id), (json!(23), Some(parent.id)));
    assert!(rig.stop().await);
}

#[tokio::test]
async fn a_group_and_a_chain_are_known_to_their_parent_as_celery_knows_them() {
    let rig = Rig::start();
    let delegate = |to: Workflow| Delegate { to: to.into_call().unwrap() };

    let of_group = rig.end(delegate(group([add(1, 2), add(3, 4)]))).await.children.unwrap();
    let of_chain = rig.end(delegate(chain((add(1, 2), plus(3))))).await.children.unwrap();

    let [ResultTree { members: Some(members), .. }] = &of_group[..] else { panic!("{of_group:?}") };
    for (member, value) in members.iter().zip([3, 7]) {
        assert_eq!(rig.result(&member.id).wait(SOON).await.unwrap().result, json!(value));
    }
    assert_eq!(members.len(), 2);
    // The first step: the others are the children of the one before them.
    let [first] = &of_chain[..] else { panic!("{of_chain:?}") };
    let first = rig.result(&first.id).wait(SOON).await.unwrap();
    assert_eq!(first.result, json!(3));
    let second = &first.children.unwrap()[0].id;
    assert_eq!(rig.result(second).wait(SOON).await.unwrap().result, json!(6));
    assert!(rig.stop().await);
}

#[tokio::test]
async fn each_step_of_a_chain_gets_the_result_of_the_one_before() {
    let rig = Rig::start();

    let sum: i64 = rig.call(chain((add(1, 2), plus(3), plus(4)))).await.get(SOON).await.unwrap();

    assert_eq!(sum, 10);
    assert!(rig.stop().await);
}

#[tokio::test]
async fn a_group_ends_with_the_values_of_its_members_or_with_the_failure_of_one() {
    let rig = Rig::start();
    let nested = group((add(1, 2), chain((add(2, 2), plus(1)))));
    let failing = group([named("add").arg(1).arg(2), named("raise").arg("bad")]);

    let sums = rig.call(nested).await;
    assert_eq!(sums.get::<Vec<i64>>(SOON).await.unwrap(), [3, 5]);
    assert!(sums.ready().await.unwrap() && sums.successful().await.unwrap());
    let members = sums.group().unwrap();
    assert_eq!(members.join::<i64>(SOON).await.unwrap(), [3, 5]);
    assert_eq!(members.members()[1].parent().unwrap().get::<i64>(SOON).await.unwrap(), 4);
    let by_ids = GroupResult::new("again", members.tree().tasks(), rig.results());
    assert_eq!(by_ids.join::<i64>(SOON).await.unwrap(), [3, 5]);

    let failed = rig.call(failing).await.get::<Vec<i64>>(SOON).await.unwrap_err();
    assert!(matches!(&failed, WaitError::Failed(exception) if exception.kind == "ValueError"), "{failed}");
    sums.forget().await.unwrap();
    assert!(!members.ready().await.unwrap());
    assert!(rig.take_dead_letter().is_some());
    assert!(rig.stop().await);
}

#[tokio::test]
async fn the_steps_of_a_chain_are_known_to_who_called_it() {
    let rig = Rig::start();

    let last = rig.call(chain((add(1, 2), plus(3), plus(4)))).await;

    assert_eq!(last.get::<i64>(SOON).await.unwrap(), 10);
    let second = last.parent().unwrap();
    let first = second.parent().unwrap();
    assert_eq!((second.get::<i64>(SOON).await.unwrap(), first.get::<i64>(SOON).await.unwrap()), (6, 3));
    assert!(first.parent().is_none());
    assert!(rig.stop().await);
}

#[tokio::test]
async fn links_hear_of_a_success_and_errbacks_of_a_failure() {
    let rig = Rig::start();
    let linked = named("add").kwarg("y", 10).option("task_id", "linked");
    let heard = named("end").option("task_id", "heard").immutable().kwarg("how", "well");

    rig.end(Signature::new(add(1, 2)).link(linked).link_error(heard.clone())).await;
    assert_eq!(rig.result("linked").wait(SOON).await.unwrap().result, json!(13));
    assert_eq!(rig.result("heard").state().await.unwrap(), State::Pending);

    rig.end(Signature::new(Raise { text: "bad".into() }).link_error(heard)).await;
    assert_eq!(rig.result("heard").wait(SOON).await.unwrap().state, State::Success);
    assert!(rig.take_dead_letter().is_some());
    assert!(rig.stop().await);
}

#[tokio::test]
async fn a_chain_fails_as_a_whole() {
    let rig = Rig::start();

    let last = rig.end(chain((Raise { text: "bad".into() }, plus(1), plus(2)))).await;

    assert_eq!((last.state, last.result["exc_type"].clone()), (State::Failure, json!("ValueError")));
    assert!(rig.take_dead_letter().is_some());
    assert!(rig.stop().await);
}

#[tokio::test]
async fn each_step_of_a_chain_that_failed_is_answered_under_its_own_id() {
    let rig = Rig::answering("answers");
    let step = |call: Call, id: &str| call.option("task_id", id).option("reply_to", "answers");
    let failing = step(named("raise").kwarg("text", "bad"), "first");

    rig.producer.enqueue(chain((failing, step(plus(3), "second")))).await.unwrap();
    let mut answers = Vec::new();
    let all = eventually(SOON, async || {
        answers.extend(rig.memory.take("answers"));
        answers.len() == 2
    });

    assert!(all.await, "{answers:?}");
    for answer in &answers {
        let told: Value = serde_json::from_slice(&answer.body).unwrap();
        assert_eq!(told["task_id"].as_str(), answer.properties.correlation_id.as_deref());
    }
    let ids: BTreeSet<_> =
        answers.iter().filter_map(|answer| answer.properties.correlation_id.clone()).collect();
    assert_eq!(ids, ["first", "second"].map(String::from).into());
    let dead = eventually(SOON, async || rig.take_dead_letter().is_some());
    assert!(dead.await);
    assert!(rig.stop().await);
}

#[tokio::test]
async fn what_takes_a_tasks_place_is_answered_to_who_called_the_task() {
    let rig = Rig::answering("answers");
    let chained = chain((add(1, 2), plus(3))).into_call().unwrap();
    let turn = named("turn").kwarg("into", Value::from(chained));

    rig.producer.enqueue(turn.option("task_id", "turn").option("reply_to", "answers")).await.unwrap();
    let mut last = None;
    let answered = eventually(SOON, async || {
        let answer =
            rig.memory.take("answers").map(|answer| serde_json::from_slice::<Value>(&answer.body).unwrap());
        last = answer.filter(|answer| answer["task_id"] == "turn");
        last.is_some()
    });

    assert!(answered.await);
    assert_eq!(last.unwrap()["result"], json!(6));
    assert!(rig.stop().await);
}

#[tokio::test]
async fn a_chord_has_the_results_of_its_header_in_their_order() {
    let rig = Rig::start();
    let header = (add(1, 1), add(2, 2), chain((add(3, 3), plus(10))));

    let sum: i64 = rig.call(chord(header, named("sum"))).await.get(SOON).await.unwrap();
    let in_a_chain = chain((group([add(1, 2), add(3, 4)]), named("sum"), plus(100)));
    let chained: i64 = rig.call(in_a_chain).await.get(SOON).await.unwrap();

    assert_eq!((sum, chained), (22, 110));
    assert!(rig.stop().await);
}

#[tokio::test]
async fn the_body_of_a_chord_fails_with_one_of_its_members() {
    let rig = Rig::start();
    let header = vec![named("add").arg(1).arg(2), named("raise").arg("bad")];
    let body = named("sum")
        .option("link_error", json!([named("end").option("task_id", "heard").immutable().kwarg("how", "")]));

    let end = rig.end(chord(header, body)).await;

    let exception = end.exception().unwrap();
    assert_eq!(exception.kind, "ChordError");
    assert!(exception.message().contains("raised ValueError('bad')"), "{exception}");
    assert_eq!(rig.result("heard").wait(SOON).await.unwrap().state, State::Success);
    assert!(rig.take_dead_letter().is_some());
    assert!(rig.stop().await);
}

#[tokio::test]
async fn the_body_of_a_chord_fails_though_its_members_have_no_results() {
    let rig = Rig::start();
    let silent = |call: Call| call.option("ignore_result", true);
    let header = vec![silent(named("add").arg(1).arg(2)), silent(named("raise").arg("bad"))];

    let end = rig.end(chord(header, named("sum"))).await;

    assert_eq!((end.state.clone(), end.exception().unwrap().kind), (State::Failure, "ChordError".into()));
    assert!(rig.take_dead_letter().is_some());
    assert!(rig.stop().await);
}

#[tokio::test]
async fn a_member_that_came_too_late_goes_back_while_its_place_in_the_chord_cannot_be_recorded() {
    let silent_redis = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let rig = Rig::on_redis(&format!("redis://{}", silent_redis.local_addr().unwrap()));
    let member = named("add")
        .option("expires", "2020-01-01T00:00:00Z")
        .option("group_id", "g")
        .option("chord", Value::from(named("sum")));

    rig.producer.enqueue(member.arg(1).arg(2)).await.unwrap();
    // The worker has the message and asks for its result to be kept.
    let _connection = silent_redis.accept().await.unwrap();

    assert_eq!(rig.stop_now().await.len(), 1);
}

#[tokio::test]
async fn the_tasks_of_a_group_after_a_chord_fail_with_what_its_member_raised() {
    let rig = Rig::start();
    let last = |id: &str| named("sum").option("task_id", id);
    let header = group([named("add").arg(1).arg(2), named("raise").arg("bad")]);

    rig.producer.enqueue(chord(header, group([last("a"), last("b")]))).await.unwrap();

    for id in ["a", "b"] {
        let end = rig.result(id).wait(SOON).await.unwrap();
        assert_eq!(end.exception().unwrap().repr(), "ValueError('bad')", "{id}");
    }
    assert!(rig.take_dead_letter().is_some());
    assert!(rig.stop().await);
}

#[tokio::test]
async fn what_takes_a_tasks_place_has_its_id_and_what_follows_it() {
    let rig = Rig::start();
    let into = |call: Call| Turn { into: call };
    let grouped = group([add(1, 2), add(3, 4)]).into_call().unwrap();
    let chained = chain((add(1, 2), plus(3))).into_call().unwrap();

    let by_task: i64 = rig.call(into(named("add").arg(1).arg(1))).await.get(SOON).await.unwrap();
    let by_group: Vec<i64> = rig.call(into(grouped)).await.get(SOON).await.unwrap();
    let by_chain: i64 = rig.call(chain((into(chained), plus(4)))).await.get(SOON).await.unwrap();
    let in_chord =
        chord(vec![into(named("add").arg(1).arg(1)), into(named("add").arg(2).arg(2))], named("sum"));
    let in_chord: i64 = rig.call(in_chord).await.get(SOON).await.unwrap();

    assert_eq!((by_task, by_chain, in_chord), (2, 10, 6));
    assert_eq!(by_group, [3, 7]);
    assert!(rig.stop().await);
}

#[tokio::test]
async fn the_values_of_a_typed_task_go_into_a_chord_by_name() {
    let rig = Rig::start();

    let sum: i64 = rig.call(Sum { numbers: vec![1, 2, 3] }).await.get(SOON).await.unwrap();

    assert_eq!(sum, 6);
    assert!(rig.stop().await);
}

#[tokio::test]
async fn a_task_is_called_for_each_item_of_a_list() {
    let rig = Rig::start();
    let each = |name: &str, task: &str, it| Call {
        kwargs: [("task".to_owned(), Call::new(task).into()), ("it".to_owned(), it)].into_iter().collect(),
        subtask_type: Some("xstarmap".into()),
        ..named(name)
    };

    let sums = rig.end(each("celery.starmap", "add", json!([[1, 1], [2, 2]]))).await;
    assert_eq!(sums.result, json!([2, 4]));

    let totals: Vec<i64> = rig
        .call(chain((add(1, 2), each("celery.map", "sum", json!([[1, 2], [3, 4, 5]])))))
        .await
        .get(SOON)
        .await
        .unwrap();
    assert_eq!(totals, [3, 12]);

    let nobody = rig.end(each("celery.map", "nobody", json!([1]))).await;
    assert_eq!(nobody.state, State::Failure);
    assert!(rig.take_dead_letter().is_some());
    assert!(rig.stop().await);
}
