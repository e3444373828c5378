// Command grpc-go is a grpc-go server whose only method returns an empty message and ignores the request. The server listens on a loopback port and
// on the unix socket that its argument names. It prints {"tcp": PORT} and serves until a signal ends the program.
package main

import (
	"context"
	"fmt"
	"net"
	"os"

	"google.golang.org/grpc"
)

// bytesCodec passes bytes through, so that the measurement includes no protobuf library.
type bytesCodec struct{}

func (bytesCodec) Marshal(v any) ([]byte, error) { return *v.(*[]byte), nil }
func (bytesCodec) Unmarshal(data []byte, v any) error {
	to := v.(*[]byte)
	*to = append((*to)[:0], data...)
	return nil
}
func (bytesCodec) Name() string { return "proto" }

var empty = []byte{}

func handle(_ any, _ context.Context, decode func(any) error, _ grpc.UnaryServerInterceptor) (any, error) {
	var request []byte
	if err := decode(&request); err != nil {
		return nil, err
	}
	return &empty, nil
}

func main() {
	if len(os.Args) != 2 {
		fail(fmt.Errorf("argument must be the path of a unix socket, got %d arguments", len(os.Args)-1))
	}
	server := grpc.NewServer(grpc.ForceServerCodec(bytesCodec{}))
	server.RegisterService(&grpc.ServiceDesc{
		ServiceName: "bench.Bench",
		HandlerType: (*any)(nil),
		Methods:     []grpc.MethodDesc{{MethodName: "Empty", Handler: handle}},
	}, struct{}{})
	tcp, err := net.Listen("tcp", "127.0.0.1:0")
	fail(err)
	unix, err := net.Listen("unix", os.Args[1])
	fail(err)
	go func() { fail(server.Serve(unix)) }()
	fmt.Printf("{\"tcp\": %d}\n", tcp.Addr().(*net.TCPAddr).Port)
	fail(server.Serve(tcp))
}

func fail(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "grpc-go:", err)
		os.Exit(1)
	}
}
