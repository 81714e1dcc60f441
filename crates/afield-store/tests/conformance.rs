//! Every case of the conformance suite, on SQLite and on PostgreSQL.
//!
//! PostgreSQL is found through `AFIELD_TEST_PG`, the connection string of a superuser on a private
//! server. Without it the PostgreSQL tests fail; they never skip.

#![expect(clippy::unwrap_used, reason = "a failure of the harness fails the test")]

use afield_store::conformance::{self, Outcome, Place};
use afield_store::{Location, PostgresServer};

async fn on_sqlite<F: Future<Output = Outcome>>(case: fn(Place) -> F) {
    let directory = tempfile::tempdir().unwrap();
    let place = Place::new(Location::Sqlite(directory.path().join("afield.db")));
    case(place).await.unwrap();
}

async fn on_postgres<F: Future<Output = Outcome>>(case: fn(Place) -> F) {
    let server = std::env::var("AFIELD_TEST_PG").expect(
        "AFIELD_TEST_PG is not set: run them through make test, or \
         cargo xtask services -- cargo test -p afield-store",
    );
    let name = format!("conformance_{}", uuid::Uuid::now_v7().simple());
    administer(&server, &format!("CREATE DATABASE {name}")).await;
    let connection = connection_string(&server, &name);
    let place = Place::new(Location::Postgres(PostgresServer { connection, authorities: None }));
    let outcome = case(place).await;
    administer(&server, &format!("DROP DATABASE {name} WITH (FORCE)")).await;
    outcome.unwrap();
}

/// The same server, another database.
fn connection_string(server: &str, database: &str) -> String {
    let rest = server.split_whitespace().filter(|part| !part.starts_with("dbname="));
    rest.chain([format!("dbname={database}").as_str()]).collect::<Vec<_>>().join(" ")
}

async fn administer(server: &str, statement: &str) {
    let (client, connection) =
        tokio_postgres::connect(server, tokio_postgres::NoTls).await.unwrap();
    let link = tokio::spawn(connection);
    client.batch_execute(statement).await.unwrap();
    drop(client);
    link.await.unwrap().unwrap();
}

macro_rules! tests {
    ($($case:ident),* $(,)?) => {
        mod sqlite {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $case() {
                super::on_sqlite(super::conformance::$case).await;
            })*
        }

        mod postgres {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $case() {
                super::on_postgres(super::conformance::$case).await;
            })*
        }
    };
}

afield_store::for_each_case!(tests);
