//! Interfaces, losses, the clock.

use super::*;

#[test]
fn interfaces_go_and_come() {
    let audit = empty();
    let mut teller = begun();
    let states = [
        (InterfaceState::Up, None),
        (InterfaceState::Down, Some("interface-down")),
        (InterfaceState::Down, None),
        (InterfaceState::Up, Some("interface-up")),
        (InterfaceState::Gone, Some("interface-gone")),
        (InterfaceState::Gone, None),
    ];
    for (at, (state, expected)) in (1..).zip(states) {
        let mut moment = moment(at * 250);
        moment.interfaces[0].state = state;
        let events = teller.tell(&audit, &moment);
        assert_eq!(codes(&events), Vec::from_iter(expected));
    }
}

#[test]
fn losses_are_gathered() {
    let mut teller = begun();
    let mut lost = |at, drops, gaps| {
        let mut audit = empty();
        audit.loss.sequence_gaps = gaps;
        let mut moment = moment(at);
        moment.interfaces[0].dropped = Some(drops);
        let events = teller.tell(&audit, &moment);
        events.first().map(|event| {
            let EventKind::Loss(loss) = &event.kind else {
                panic!("{}", event.json());
            };
            (loss.new_kernel_drops, loss.new_sequence_gaps)
        })
    };
    assert_eq!(lost(250, 3, 0), Some((3, 0)));
    assert_eq!(lost(500, 5, 0), None);
    assert_eq!(lost(5000, 9, 2), None);
    assert_eq!(lost(5250, 10, 2), Some((7, 2)));
    // A late segment closed a gap, and another one opened.
    assert_eq!(lost(20_000, 10, 1), None);
    assert_eq!(lost(30_000, 10, 2), None);
    assert_eq!(lost(30_250, 10, 3), Some((0, 1)));
}

#[test]
fn only_a_jump_of_the_clock_is_told() {
    let audit = empty();
    let mut teller = begun();
    let mut at = |milliseconds, off: i64| {
        let mut moment = moment(milliseconds);
        moment.now.0 += off;
        let events = teller.tell(&audit, &moment);
        events.first().map(|event| {
            let EventKind::ClockJump(jump) = &event.kind else {
                panic!("{}", event.json());
            };
            jump.seconds
        })
    };
    assert_eq!(at(250, 0), None);
    assert_eq!(at(500, 900_000_000), None);
    assert_eq!(at(750, -3_600_000_000_000), Some(-3600.9));
    assert_eq!(at(1000, -3_600_000_000_000), None);
    assert_eq!(at(1250, 0), Some(3600.0));
}
