//! `/metrics`: the numbers of this process, for Prometheus.

use actix_web::HttpResponse;
use actix_web::web::Data;
use postrider_core::metrics::Metrics;

pub(super) async fn metrics(metrics: Data<Metrics>) -> HttpResponse {
    HttpResponse::Ok().content_type("text/plain; version=0.0.4; charset=utf-8").body(metrics.render())
}
