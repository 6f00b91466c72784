//! The ceiling of the api: a route that reads the same body, does one script and one confirmed publish of the same
//! bytes, and answers with the same bytes.
//!
//! It checks no key and no number, makes no code, seals nothing and counts nothing.

mod redis;

use std::net::SocketAddr;
use std::time::Duration;

use actix_web::web::{self, Bytes, Data};
use actix_web::{App, HttpResponse, HttpServer, Responder};
use jiff::Timestamp;
use lapin::options::ConfirmSelectOptions;
use lapin::{Channel, Connection, ConnectionProperties};
use postrider_core::broker::message::Message;
use postrider_core::celery::{Arguments, TaskHeaders};
use postrider_core::code::Code;
use postrider_core::phone::{PhoneNumber, PhonePolicy};
use postrider_core::seal::KeyRing;
use postrider_core::task::Task as _;
use postrider_core::tasks::SendCode;
use postrider_core::verification::VerificationId;
use uuid::Uuid;

use self::redis::Store;
use super::publish_loop::Template;
use crate::rig::broker::Queue;

/// As many bytes as ours answers.
const ANSWER: &str = r#"{"id":"vrf_0123456789abcdef0123456789abcdef","status":"pending","to":"+86138****8000","purpose":"login","created_at":"2026-01-02T03:04:05.678Z","expires_at":"2026-01-02T03:09:05.678Z","resend_at":"2026-01-02T03:05:05.678Z","checks_left":5,"delivery":{"state":"queued"}}"#;

/// Where to listen and what to write to.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    queue: Queue,
    /// The store.
    #[arg(long, default_value = "redis://127.0.0.1:6379/0")]
    redis_url: String,
    /// Where to listen.
    #[arg(long, default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// Threads that serve HTTP; as many as the api's.
    #[arg(long, default_value_t = 2)]
    workers: usize,
}

/// What the route works with.
struct Bare {
    store: Store,
    channel: Channel,
    queue: String,
    template: Template,
}

pub(crate) async fn run(args: Args) -> anyhow::Result<()> {
    let connection = Connection::connect(&args.queue.amqp_url, ConnectionProperties::default()).await?;
    let channel = connection.create_channel().await?;
    channel.confirm_select(ConfirmSelectOptions::default()).await?;
    let store = Store::connect(&args.redis_url).await?;
    let template = Template::of(&sealed_message()?);
    let bare = Data::new(Bare { store, channel, queue: args.queue.name, template });
    let server = HttpServer::new(move || {
        App::new().app_data(bare.clone()).route("/v1/verifications", web::post().to(create))
    });
    let server = server.workers(args.workers).listen(std::net::TcpListener::bind(args.listen)?)?;
    eprintln!("listening on http://{}", server.addrs()[0]);
    server.run().await?;
    Ok(())
}

async fn create(body: Bytes, bare: Data<Bare>) -> actix_web::Result<impl Responder> {
    let id = Uuid::new_v4().simple().to_string();
    let number = body.get(7..21).and_then(|number| std::str::from_utf8(number).ok()).unwrap_or_default();
    let failed = actix_web::error::ErrorServiceUnavailable::<anyhow::Error>;
    let taken = bare.store.take(number, &id).await.map_err(failed)?;
    if !taken {
        return Ok(HttpResponse::TooManyRequests().finish());
    }
    bare.template.clone().publish(&bare.channel, &bare.queue).await.map_err(failed)?;
    let location = ("location", format!("/v1/verifications/vrf_{id}"));
    Ok(HttpResponse::Created().insert_header(location).content_type("application/json").body(ANSWER))
}

/// The message that the api publishes for a code.
fn sealed_message() -> anyhow::Result<Message> {
    let number = PhoneNumber::parse("+8613800138000", None, &PhonePolicy::default())?;
    let life = Duration::from_mins(5);
    let id = VerificationId::random();
    let task = SendCode::seal(
        &KeyRing::ephemeral(),
        id.clone(),
        "shop",
        "login",
        (Timestamp::UNIX_EPOCH + life, life),
        (&number, &Code::random()),
    );
    let expires = Some(task.not_after);
    let headers =
        TaskHeaders { task: SendCode::NAME.into(), id: id.task_id(), retries: 0, eta: None, expires };
    Ok(headers.write("postrider-api@1", Some(("('***',)", "{'***': '***'}")), Arguments::of(&task)?.write()))
}
