"""Export: encoder, flow and decoder as functions that run without this library, in ONNX or by PyTorch alone."""

from flowdis.export.functions import DecodeFunction, EncodeFunction, FlowFunction, flow_error
from flowdis.export.write import EXPORT_FORMATS, export_model

__all__ = ["EXPORT_FORMATS", "DecodeFunction", "EncodeFunction", "FlowFunction", "export_model", "flow_error"]
