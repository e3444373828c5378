// Command grpc-go is a grpc-go server whose only method hands back an empty
// message without looking at the request, on a loopback port and a unix socket
// (its argument). It prints {"tcp": PORT} and serves until it is ended.
package main

import (
	"context"
	"fmt"
	"net"
	"os"

	"google.golang.org/grpc"
)

// bytesCodec hands bytes through, so that no protobuf library counts.
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
		fail(fmt.Errorf("wanted one argument, the path of a unix socket"))
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
