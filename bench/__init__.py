"""How fast the gate is, beside what stands there without it: the registry itself, and nginx in front of it.

    make bench                            every row; a table, and bench.json
    make bench ARGS='--quick'             the same in a minute or two, on smaller content
    make bench ARGS='--row manifests'     some rows only

Machines are noisy, and only ratios count: all servers of a row run at the same time, are measured in turns
(A B C, A B C, …), and what is reported is the median. Beside wall time stands the processor time a server used.
"""
