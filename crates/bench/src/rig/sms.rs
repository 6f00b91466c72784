//! Fills a queue with SMS tasks, each for another number.

use std::time::Duration;

use futures::{StreamExt as _, TryStreamExt as _};
use postrider_core::broker::Broker;
use postrider_core::clock::Clock;
use postrider_core::code::Code;
use postrider_core::phone::{PhoneNumber, PhonePolicy};
use postrider_core::producer::Producer;
use postrider_core::seal::KeyRing;
use postrider_core::shutdown::Shutdown;
use postrider_core::task::Signature;
use postrider_core::tasks::{CcpSendSmsCode, SendCode};
use postrider_core::verification::VerificationId;

use super::asks::FIRST;
use super::broker::Queue;
use super::contenders::Rig;

/// The life of a code.
const LIFE: Duration = Duration::from_mins(5);
/// Publishes that wait for their confirm at once.
const IN_FLIGHT: usize = 1000;

/// Sealed tasks in a quorum queue, as our api enqueues them, or the tutorial's in a classic queue.
pub(crate) async fn fill(rig: &Rig, queue: &str, count: u64, sealed: bool) -> anyhow::Result<()> {
    let keys = rig.keys()?;
    let shutdown = Shutdown::new();
    let to = Queue { amqp_url: rig.amqp_url.clone(), name: queue.to_owned(), quorum: sealed };
    let amqp = to.broker("bench sms", &shutdown);
    amqp.connected().await;
    let broker = Broker::Amqp(amqp);
    let producer = Producer::new(broker.clone(), Clock::System, "bench");
    let enqueues = futures::stream::iter(0..count).map(|number| {
        let (producer, keys) = (&producer, &keys);
        async move {
            if sealed {
                producer.enqueue(Signature::new(sealed_task(keys, number)?).queue(queue)).await?;
            } else {
                let task = CcpSendSmsCode { mobile: (FIRST + number).to_string(), sms_code: "123456".into() };
                producer.enqueue(Signature::new(task).queue(queue)).await?;
            }
            anyhow::Ok(())
        }
    });
    enqueues.buffer_unordered(IN_FLIGHT).try_collect::<()>().await?;
    broker.close();
    Ok(())
}

/// The task of a verification that was just made.
pub(crate) fn sealed_task(keys: &KeyRing, number: u64) -> anyhow::Result<SendCode> {
    let to = PhoneNumber::parse(&format!("+86{}", FIRST + number), None, &PhonePolicy::default())?;
    let times = (Clock::System.now() + LIFE, LIFE);
    let id = VerificationId::random();
    Ok(SendCode::seal(keys, id, "shop", "login", times, (&to, &Code::random())))
}
