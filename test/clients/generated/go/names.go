package main

import (
	pannierv1 "example.com/app/gen/pannier/v1"
	// Registers the protos of gRPC health. If the generated code contained a second copy of these protos, the program
	// would panic before main.
	_ "google.golang.org/grpc/health"
)

// nameOf compiles only if no message name collides with the name of a oneof case.
func nameOf(response *pannierv1.WatchInvalidationsResponse) string {
	switch response.Event.(type) {
	case *pannierv1.WatchInvalidationsResponse_Key:
		return "key"
	case *pannierv1.WatchInvalidationsResponse_Tag:
		return "tag"
	case *pannierv1.WatchInvalidationsResponse_Flush:
		return "flush"
	case *pannierv1.WatchInvalidationsResponse_Started:
		return "started"
	}
	return "none"
}

var _ = nameOf(&pannierv1.WatchInvalidationsResponse{
	Event: &pannierv1.WatchInvalidationsResponse_Flush{Flush: &pannierv1.WatchFlush{}},
})
