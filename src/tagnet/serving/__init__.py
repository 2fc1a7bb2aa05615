"""Tags over HTTP: FastAPI and uvicorn on onnxruntime, without torch."""
