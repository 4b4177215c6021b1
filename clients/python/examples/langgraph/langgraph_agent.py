"""An agent that is a LangGraph graph: what its model says reaches the followers piece by piece.

It needs `langgraph` and `websocket-handler-client[sqs]`.
"""

from itertools import cycle
from typing import Any

from langchain_core.language_models import GenericFakeChatModel
from langgraph.graph import START, MessagesState, StateGraph

from websocket_handler_client import Agent, Task

# This model needs no key. Put your own in its place, for example `init_chat_model("anthropic:…")` of `langchain`.
model = GenericFakeChatModel(messages=cycle(["The login page is ready."]))


async def answer(state: MessagesState) -> dict[str, Any]:
    return {"messages": [await model.ainvoke(state["messages"])]}


graph = StateGraph(MessagesState).add_node("answer", answer).add_edge(START, "answer").compile()
agent = Agent("dev")


@agent.task
async def work(task: Task) -> dict[str, Any]:
    question = {"messages": [("user", task.data["task"])]}
    async with task.stream() as out:
        async for piece, _ in graph.astream(question, stream_mode="messages"):
            await out.write(piece.text)
    return {"files": 3}


if __name__ == "__main__":
    agent.run()
