use super::super::tests::server;
use super::Held;

/// Else the lock of a machine that is gone keeps servers away for as long as a socket may be silent: two hours.
#[test]
fn the_database_looks_whether_a_transfer_is_still_there() {
    let held = Held::take(&server().database()).unwrap();
    let settings = "SELECT concat_ws(' ', current_setting('tcp_keepalives_idle'), \
        current_setting('tcp_keepalives_interval'), current_setting('tcp_keepalives_count'), \
        current_setting('tcp_user_timeout'))";
    let shown: String = held.wait(held.guard.query_typed_one(settings, &[])).unwrap().get(0);
    // As the socket has them.
    assert_eq!(shown, "10 5 3 25000");
}
