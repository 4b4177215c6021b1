"""What a program that runs the gateway itself may ask of its server."""

from websocket_handler.server import WebSocketServer


def greet(server: WebSocketServer) -> None:
    server.send_to_project("proj_123", {"type": "hello"}, done=print)  # prints the position, once it is committed
    server.forward_to_sqs("dev", {"task": "fix the build"}, done=print)  # prints the receipt of SQS
    server.broadcast_message({"type": "notice", "text": "maintenance at noon"})
