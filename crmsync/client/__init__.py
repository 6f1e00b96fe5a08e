"""
[edge] The client for Python: ``from crmsync import Copper``. Labels in, labels out, ids always at hand.

    copper     the account: login, types, labels           records    what can be done with one type
    search     a search, read when it is iterated          criteria   conditions to filters and checks
    pages      every row of a search, beyond all limits    values     Python's values to canonical ones and back
    record     one record                                  labels     lookup tables, both ways
    book       what is known of the account                references names of records to ids
    writing    one write, and what its answer means        bulk       many writes, ten in a call
"""
