"""
The simulation: crmsync, Copper, time, the state, trouble and people under one seed, thousands of schedules a minute.

    hub         virtual time: processes whose threads take turns, each wait a place where a process may stop or die
    machine     the project's own `apply`, with clock, network, state and lease in our hands
    files       the user's record files as values
    copper      the sandbox under observation
    dice        from a seed to a script: account, files and how they change, runs, faults, people
    people      what people do in the web application meanwhile
    schedule    a script carried out, until everything has come to rest
    rest        I6: whether it has, and whether what is left is rightly left
    invariants  I1 to I10: what must hold of every history
    teeth       mechanisms switched off, one at a time: the simulation must notice
    telling     a history as text
    many        many seeds, on all cores

`python -m tests.simulation --help` runs it by hand; docs/reliability.md says what it shows and what it cannot.
"""
