//! `celery inspect` and `celery status` ask our worker, and the same from Rust.

use std::time::Duration;

use postrider_core::{clock::Clock, remote::Remote};
use postrider_tests::worker::ended;
use postrider_worker::{ClientCommand, CommandKind};

use crate::{fleet::Fleet, python::PATIENCE};

#[tokio::test]
async fn stock_tools_list_our_worker_and_what_it_does() {
    let fleet = Fleet::start("inspect").await;

    let told = fleet
        .run(
            "import datetime\n\
             from fleet import *\n\
             here()\n\
             inspect = app.control.inspect()\n\
             running = slow.delay(12)\n\
             active = until(lambda: ours(inspect.active()))\n\
             assert [task['id'] for task in active] == [running.id], active\n\
             task = active[0]\n\
             assert task['args'] == [12] and task['acknowledged'] and task['time_start'] > 1e9, task\n\
             assert task['delivery_info'] == {'exchange': '', 'routing_key': app.conf.task_default_queue, 'priority': 0, 'redelivered': False}, task\n\
             assert ours(inspect.active(safe=True))[0]['args'] == '(12,)'\n\
             eta = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(hours=1)\n\
             laters = [add.apply_async((1, 2), eta=eta) for _ in range(50)]\n\
             scheduled = until(lambda: (told := ours(inspect.scheduled())) and len(told) == 50 and told)\n\
             assert {entry['request']['id'] for entry in scheduled} == {later.id for later in laters}, scheduled\n\
             assert {datetime.datetime.fromisoformat(entry['eta']) for entry in scheduled} == {eta}, scheduled\n\
             later = laters[0]\n\
             assert ours(inspect.reserved()) == []\n\
             states = ours(inspect.query_task([running.id, later.id, 'nope']))\n\
             assert {id: state[0] for id, state in states.items()} == {running.id: 'active', later.id: 'scheduled'}, states\n\
             assert ours(inspect.registered()) == ['add', 'boom', 'flaky', 'login', 'refuse', 'slow']\n\
             assert ours(inspect.registered('name', 'acks_late'))[0] == 'add [name=add acks_late=True]'\n\
             queues = ours(inspect.active_queues())\n\
             assert [(q['name'], q['exchange']['type'], q['routing_key']) for q in queues] == [(app.conf.task_default_queue, 'direct', app.conf.task_default_queue)], queues\n\
             stats = ours(inspect.stats())\n\
             assert stats['total'] == {'slow': 1} and stats['pool']['max-concurrency'] == 4, stats\n\
             assert stats['broker']['transport'] == 'amqp' and 'password' not in stats['broker'], stats\n\
             conf = ours(inspect.conf(with_defaults=True))\n\
             assert '********' in conf['broker_url'] and conf['enable_utc'] is True, conf\n\
             assert 'postrider' in ours(inspect.report())['ok']\n\
             assert ours(inspect.clock())['clock'] > 0\n\
             assert ours(inspect.revoked()) == []\n\
             login.delay('123456789012')\n\
             secret = until(lambda: [t for t in ours(inspect.active()) or [] if t['name'] == 'login'])\n\
             assert secret[0]['args'] == ['***'], secret\n\
             app.control.revoke([later.id for later in laters])\n\
             running.get(timeout=40)\n\
             print('all told')",
        )
        .await;

    assert!(told.contains("all told"), "{told}");
    fleet.stop().await;
}

#[tokio::test]
async fn the_command_line_prints_our_worker_and_ours_prints_the_same() {
    let fleet = Fleet::start("inspect-cli").await;
    fleet.run("from fleet import *; here()").await;

    let status = fleet.celery("status").await;
    let registered = fleet.celery("inspect registered").await;
    let unknown = fleet.celery("inspect ping -d nobody@here").await;

    assert!(status.status.success() && status.text.contains("1 node online."), "{}", status.text);
    assert!(registered.status.success() && registered.text.contains("* add"), "{}", registered.text);
    assert_eq!(unknown.status.code(), Some(69), "{}", unknown.text);
    let broker = crate::fleet::client(&fleet.setup).await;
    let remote = Remote::new(broker, fleet.namespace.clone(), Clock::System);
    let ask = async |name: &str| {
        let command = ClientCommand::parse(CommandKind::Inspect, name, &[], Vec::new()).unwrap();
        command.run(&remote, Duration::from_secs(1), false).await.unwrap()
    };
    let ours = ask("registered").await;
    assert_eq!((ours.nodes, ours.text.trim()), (1, registered.text.trim()));
    let status_text =
        ClientCommand::status(Vec::new()).run(&remote, Duration::from_secs(1), false).await.unwrap();
    assert_eq!(status_text.text.trim(), status.text.trim());
    fleet.stop().await;
}

#[tokio::test]
async fn our_worker_and_celerys_answer_together_and_share_what_is_revoked() {
    let fleet = Fleet::start("inspect-mixed").await;
    fleet.run("from fleet import *; here(); add.AsyncResult('revoked-before').revoke()").await;
    let args = ["-m", "celery", "-A", "fleet", "worker", "-P", "solo", "-l", "info", "-n", "theirs@h", "-Q"];
    let other = format!("{}.other", fleet.setup.queue);
    let mut theirs = fleet.python(&[&args[..], &[&other]].concat());
    let patience = Duration::from_mins(1);
    theirs.wait_for_line(|line| line.contains("mingle: sync with 1 nodes"), patience).await;
    theirs.wait_for_line(|line| line.trim_end().ends_with("ready."), patience).await;

    let told = fleet
        .run(
            "from fleet import *\n\
             pings = until(lambda: len(app.control.inspect().ping() or {}) == 2 and app.control.inspect().ping())\n\
             assert sorted(pings) == sorted([node, 'theirs@h']), pings\n\
             revoked = app.control.inspect().revoked()\n\
             assert all('revoked-before' in ids for ids in revoked.values()) and len(revoked) == 2, revoked\n\
             print('two nodes')",
        )
        .await;

    assert!(told.contains("two nodes"), "{told}");
    assert!(!theirs.log().contains("Traceback"), "{}", theirs.log());
    theirs.sigterm();
    postrider_tests::worker::ended(theirs).await;
    fleet.setup.amqp().await.delete([&other]).await;
    fleet.stop().await;
}

#[tokio::test]
async fn every_command_of_celerys_command_line_works_on_a_mixed_fleet() {
    let fleet = Fleet::start("every-command").await;
    let theirs = fleet.python_worker("theirs@h", &["-P", "prefork", "-c", "2"]).await;
    let mut dump = fleet.python(&["-u", "-m", "celery", "-A", "fleet", "events", "--dump"]);
    for node in [fleet.node.as_str(), "theirs@h"] {
        dump.wait_for_line(|line| line.starts_with(node) && line.contains("heartbeat"), PATIENCE).await;
    }

    let told = fleet.run("import every_command").await;

    assert!(told.contains("every command"), "{told}");
    for node in [fleet.node.as_str(), "theirs@h"] {
        dump.wait_for_line(|line| line.starts_with(node) && line.contains("task succeeded"), PATIENCE).await;
    }
    dump.sigterm();
    ended(dump).await;
    ended(theirs).await;
    let more = format!("{}.more", fleet.setup.queue);
    let queues = [fleet.theirs(), format!("{more}.unclaimed"), more];
    fleet.setup.amqp().await.delete(&queues).await;
    assert!(fleet.stopped().await);
}
