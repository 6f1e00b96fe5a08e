"""
[edge] The only room that knows HTTP.

`transport` sends one request, `pace` says when, `client` tries reads again, `read` asks the questions, `errors` says
what went wrong. `shared` lets the processes of one project keep one pace.
"""
