"""Runs of agents in a project's log, PURE: publications whose `type` is an AG-UI event are events of runs.

    fold = Fold("proj_123")                                   # or snapshot.load(stored), and then what came after
    answer = fold.publication(payload)                        # run, broken rule, and if it counts; None: no event
    stored = snapshot.dump(fold)                              # bytes; the fold goes on from them as from the log
    stream = ClientStream(generation_of(version), fold, run)  # one client of one run, from where the fold stands
    first, then = stream.join(fold), stream.publication(payload)  # JSON events; `stream.ended` after the last one

The project is AG-UI's thread. An event belongs to the run that its `runId` names, or in which its message, tool call,
step or subagent is open, or that started last: agents that work side by side in one project put `runId` into each.
`fold.messages.data()`, `fold.state`, `fold.ends.interrupts` and `fold.runs.runs` are what is there now.
"""
