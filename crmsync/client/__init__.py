"""
[edge] The client for Python: ``from crmsync import Copper``. Labels in, labels out, ids always at hand.

    copper, book     the account: login, types, and what is known of it       labels      lookup tables, both ways
    records          what can be done with one type                           record      one record
    search, pages    a search, read when it is iterated, beyond all limits    references  names of records to ids
    criteria, asking conditions to checks here and filters for Copper         values      Python's values and canonical ones
    bodies, writing  what is given to a body, one write and its answer        bulk        many writes, ten in a call
    viewing, columns, tables    what the commands show                        trouble     what callers do wrong
"""
