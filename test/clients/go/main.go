// A test client based on grpc-go. The client runs the cases of ../cases.ts against a sidecar, and prints `PASS name` or
// `FAIL name reason` for each case.
//
//	client ADDRESS DESCRIPTOR_SET (all|load)
//
// The client builds messages from the descriptor set of the repository, so it needs no generated code.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/connectivity"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/encoding/gzip"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/dynamicpb"
)

const (
	mebibyte     = 1024 * 1024
	callTimeout  = 20 * time.Second
	loadCalls    = 10_000
	loadInFlight = 50
	answersEach  = 1_000
	// Shortest interval between pings that the library allows.
	keepAliveTime = 10 * time.Second
	idleTime      = 22 * time.Second
)

type fields map[string]any

var (
	files   *protoregistry.Files
	address string
)

func main() {
	address = os.Args[1]
	files = readDescriptors(os.Args[2])
	channel := dial()
	defer channel.Close()
	if os.Args[3] == "load" {
		report("load", underLoad(channel))
		return
	}
	idle := make(chan error, 1)
	go func() { idle <- keepAlive() }()
	report("rate-limit", rateLimit(channel))
	report("cache-3-mib", cacheLarge(channel))
	report("message-3.9-mib", messageSize(channel, 39*mebibyte/10, codes.InvalidArgument))
	report("message-over-4-mib", messageSize(channel, 4*mebibyte+1, codes.ResourceExhausted))
	report("metadata-12-kib", metadataAccepted(channel))
	report("metadata-over-16-kib", metadataRefused(channel))
	report("gzip", compressed())
	report("calls-10000", manyCalls(channel))
	report("watch", watch(channel))
	report("deadline", deadline(channel))
	report("cancel", cancel(channel))
	report("keep-alive", <-idle)
}

func report(name string, err error) {
	if err != nil {
		fmt.Printf("FAIL %s %s\n", name, strings.ReplaceAll(err.Error(), "\n", " "))
		return
	}
	fmt.Printf("PASS %s\n", name)
}

func dial(options ...grpc.DialOption) *grpc.ClientConn {
	options = append(options, grpc.WithTransportCredentials(insecure.NewCredentials()))
	channel, err := grpc.NewClient(address, options...)
	if err != nil {
		panic(err)
	}
	return channel
}

func rateLimit(channel *grpc.ClientConn) error {
	var seen []bool
	for range 4 {
		answer, err := invoke(channel, checkPath, checkRequest("go-few", 3))
		if err != nil {
			return err
		}
		seen = append(seen, answer.boolean("allowed"))
	}
	return equal(fmt.Sprint(seen), "[true true true false]")
}

func cacheLarge(channel *grpc.ClientConn) error {
	value := bytes.Repeat([]byte("pannier!"), 3*mebibyte/8)
	if _, err := invoke(channel, setPath, fields{"key": []byte("large"), "value": value}); err != nil {
		return err
	}
	answer, err := invoke(channel, getPath, fields{"key": []byte("large")})
	if err != nil {
		return err
	}
	return equal(fmt.Sprint(bytes.Equal(answer.bytes("value"), value)), "true")
}

// Sends a request that is too large, and checks that the connection remains usable. If only the value is too large, the
// service rejects it. If the message is too large, the transport rejects it.
func messageSize(channel *grpc.ClientConn, size int, expected codes.Code) error {
	_, err := invoke(channel, setPath, fields{"key": []byte("larger"), "value": make([]byte, size)})
	if status.Code(err) != expected {
		return fmt.Errorf("ended with %v; expected %v", err, expected)
	}
	return rateLimitOnce(channel)
}

func compressed() error {
	channel := dial(grpc.WithDefaultCallOptions(grpc.UseCompressor(gzip.Name)))
	defer channel.Close()
	for _, size := range []int{1, mebibyte} {
		value := bytes.Repeat([]byte("v"), size)
		if _, err := invoke(channel, setPath, fields{"key": []byte("gzip"), "value": value}); err != nil {
			return err
		}
		answer, err := invoke(channel, getPath, fields{"key": []byte("gzip")})
		if err != nil {
			return err
		}
		if err := equal(fmt.Sprint(bytes.Equal(answer.bytes("value"), value)), "true"); err != nil {
			return err
		}
	}
	return nil
}

func metadataAccepted(channel *grpc.ClientConn) error {
	ctx := metadata.AppendToOutgoingContext(context.Background(), "x-large", strings.Repeat("m", 12*1024))
	_, err := invokeWith(ctx, channel, checkPath, checkRequest("go-many", loadCalls*10))
	return err
}

func metadataRefused(channel *grpc.ClientConn) error {
	ctx := metadata.AppendToOutgoingContext(context.Background(), "x-large", strings.Repeat("m", 17*1024))
	_, err := invokeWith(ctx, channel, checkPath, checkRequest("go-many", loadCalls*10))
	if status.Code(err) != codes.ResourceExhausted {
		return fmt.Errorf("ended with %v; expected RESOURCE_EXHAUSTED", err)
	}
	return rateLimitOnce(channel)
}

func rateLimitOnce(channel *grpc.ClientConn) error {
	_, err := invoke(channel, checkPath, checkRequest("go-many", loadCalls*10))
	return err
}

// Each executed call consumes a unit of the limit, so the remaining units show how many calls were executed.
func manyCalls(channel *grpc.ClientConn) error {
	const key = "go-load"
	var next, failed atomic.Int64
	var first atomic.Value
	var workers sync.WaitGroup
	for range loadInFlight {
		workers.Go(func() {
			for next.Add(1) <= loadCalls {
				if _, err := invoke(channel, checkPath, checkRequest(key, loadCalls*10)); err != nil {
					failed.Add(1)
					first.CompareAndSwap(nil, err.Error())
				}
			}
		})
	}
	workers.Wait()
	if failed.Load() > 0 {
		return fmt.Errorf("%d of %d failed, the first with %v", failed.Load(), loadCalls, first.Load())
	}
	answer, err := invoke(channel, checkPath, checkRequest(key, loadCalls*10))
	if err != nil {
		return err
	}
	return equal(fmt.Sprint(answer.number("remaining")), fmt.Sprint(loadCalls*9-1))
}

func watch(channel *grpc.ClientConn) error {
	ctx, end := context.WithTimeout(context.Background(), callTimeout)
	defer end()
	stream, _, err := openWatch(ctx, channel)
	if err != nil {
		return err
	}
	for index := range 3 {
		key := fmt.Sprintf("watched-%d", index)
		if _, err := invoke(channel, invalidatePath, fields{"keys": [][]byte{[]byte(key)}}); err != nil {
			return err
		}
		event, err := receive(stream, watchPath)
		if err != nil {
			return err
		}
		if err := equal(string(event.bytes("key")), key); err != nil {
			return err
		}
	}
	return nil
}

func deadline(channel *grpc.ClientConn) error {
	ctx, end := context.WithTimeout(context.Background(), time.Second)
	defer end()
	stream, _, err := openWatch(ctx, channel)
	if err == nil {
		_, err = receive(stream, watchPath)
	}
	if status.Code(err) != codes.DeadlineExceeded {
		return fmt.Errorf("ended with %v; expected DEADLINE_EXCEEDED", err)
	}
	return rateLimitOnce(channel)
}

// Checks that a cancellation reaches the sidecar, which must then stop confirming the watch.
func cancel(channel *grpc.ClientConn) error {
	ctx, end := context.WithCancel(context.Background())
	defer end()
	stream, started, err := openWatch(ctx, channel)
	if err != nil {
		return err
	}
	watchID := started.message("started").number("watchId")
	confirmed, err := invoke(channel, confirmPath, fields{"watchId": watchID})
	if err != nil {
		return err
	}
	if confirmed.number("validForMs") == 0 {
		return fmt.Errorf("an open watch must be confirmed for more than 0 ms, got 0")
	}
	end()
	if _, err := receive(stream, watchPath); status.Code(err) != codes.Canceled {
		return fmt.Errorf("ended with %v; expected CANCELLED", err)
	}
	for limit := time.Now().Add(callTimeout); time.Now().Before(limit); time.Sleep(20 * time.Millisecond) {
		confirmed, err = invoke(channel, confirmPath, fields{"watchId": watchID})
		if err != nil {
			return err
		}
		if confirmed.number("validForMs") == 0 {
			return nil
		}
	}
	return fmt.Errorf("the watch is still confirmed; it must have ended")
}

// Checks that an idle connection stays open while the client sends pings. A rejected or unanswered ping would close the
// connection.
func keepAlive() error {
	channel := dial(grpc.WithKeepaliveParams(keepalive.ClientParameters{
		Time: keepAliveTime, Timeout: 2 * time.Second, PermitWithoutStream: true,
	}))
	defer channel.Close()
	if err := rateLimitOnce(channel); err != nil {
		return err
	}
	ctx, end := context.WithTimeout(context.Background(), idleTime)
	defer end()
	if channel.WaitForStateChange(ctx, connectivity.Ready) {
		return fmt.Errorf("the connection went to %v while idle; expected READY", channel.GetState())
	}
	return rateLimitOnce(channel)
}

// Reads the marker while connections end, until a thousand reads have found it and a thousand later reads have not
// found it.
func underLoad(channel *grpc.ClientConn) error {
	if _, err := invoke(channel, setPath, fields{"key": []byte("marker"), "value": []byte("first")}); err != nil {
		return err
	}
	var withMarker, withoutMarker, failed atomic.Int64
	var first atomic.Value
	limit := time.Now().Add(3 * callTimeout)
	var workers sync.WaitGroup
	for range loadInFlight {
		workers.Go(func() {
			for withoutMarker.Load() < answersEach && time.Now().Before(limit) {
				answer, err := invoke(channel, getPath, fields{"key": []byte("marker")}, grpc.WaitForReady(true))
				switch {
				case err != nil:
					failed.Add(1)
					first.CompareAndSwap(nil, err.Error())
				case len(answer.bytes("value")) == 0:
					withoutMarker.Add(1)
				case withMarker.Add(1) == answersEach:
					fmt.Println("LOADED")
				}
			}
		})
	}
	workers.Wait()
	if failed.Load() > 0 || withoutMarker.Load() < answersEach {
		return fmt.Errorf("%d failed, the first with %v; with the marker %d, without it %d",
			failed.Load(), first.Load(), withMarker.Load(), withoutMarker.Load())
	}
	return nil
}

const (
	checkPath      = "/pannier.v1.RateLimitService/CheckRateLimit"
	setPath        = "/pannier.v1.CacheService/CacheSet"
	getPath        = "/pannier.v1.CacheService/CacheGet"
	invalidatePath = "/pannier.v1.CacheService/CacheInvalidate"
	watchPath      = "/pannier.v1.CacheService/WatchInvalidations"
	confirmPath    = "/pannier.v1.CacheService/ConfirmInvalidations"
)

func checkRequest(key string, limit int) fields {
	one := fields{"name": "month", "algorithm": "ALGORITHM_FIXED_WINDOW", "limit": limit, "windowMs": 2_592_000_000}
	return fields{"key": key, "limits": []fields{one}}
}

func equal(found, expected string) error {
	if found != expected {
		return fmt.Errorf("expected %s, got %s", expected, found)
	}
	return nil
}

func invoke(channel *grpc.ClientConn, path string, request fields, options ...grpc.CallOption) (reading, error) {
	return invokeWith(context.Background(), channel, path, request, options...)
}

func invokeWith(ctx context.Context, channel *grpc.ClientConn, path string, request fields, options ...grpc.CallOption) (reading, error) {
	ctx, end := context.WithTimeout(ctx, callTimeout)
	defer end()
	method := methodOf(path)
	response := dynamicpb.NewMessage(method.Output())
	err := channel.Invoke(ctx, path, build(method.Input(), request), response, options...)
	return reading{response}, err
}

func openWatch(ctx context.Context, channel *grpc.ClientConn) (grpc.ClientStream, reading, error) {
	stream, err := channel.NewStream(ctx, &grpc.StreamDesc{ServerStreams: true}, watchPath)
	if err != nil {
		return nil, reading{}, err
	}
	if err := stream.SendMsg(build(methodOf(watchPath).Input(), fields{})); err != nil {
		return nil, reading{}, err
	}
	if err := stream.CloseSend(); err != nil {
		return nil, reading{}, err
	}
	started, err := receive(stream, watchPath)
	if err == nil && !started.has("started") {
		err = fmt.Errorf("the first event is %v; expected started", started.Message)
	}
	return stream, started, err
}

func receive(stream grpc.ClientStream, path string) (reading, error) {
	event := dynamicpb.NewMessage(methodOf(path).Output())
	return reading{event}, stream.RecvMsg(event)
}

func build(kind protoreflect.MessageDescriptor, values fields) proto.Message {
	text, err := json.Marshal(values)
	if err != nil {
		panic(err)
	}
	message := dynamicpb.NewMessage(kind)
	if err := protojson.Unmarshal(text, message); err != nil {
		panic(err)
	}
	return message
}

// A wrapper that reads the fields of a message by their JSON names.
type reading struct{ protoreflect.Message }

func (r reading) field(name string) protoreflect.FieldDescriptor {
	return r.Descriptor().Fields().ByJSONName(name)
}
func (r reading) has(name string) bool        { return r.Has(r.field(name)) }
func (r reading) boolean(name string) bool    { return r.Get(r.field(name)).Bool() }
func (r reading) bytes(name string) []byte    { return r.Get(r.field(name)).Bytes() }
func (r reading) number(name string) int64    { return r.Get(r.field(name)).Int() }
func (r reading) message(name string) reading { return reading{r.Get(r.field(name)).Message()} }

func methodOf(path string) protoreflect.MethodDescriptor {
	name := protoreflect.FullName(strings.ReplaceAll(path[1:], "/", "."))
	found, err := files.FindDescriptorByName(name)
	if err != nil {
		panic(err)
	}
	return found.(protoreflect.MethodDescriptor)
}

func readDescriptors(path string) *protoregistry.Files {
	content, err := os.ReadFile(path)
	if err != nil {
		panic(err)
	}
	set := &descriptorpb.FileDescriptorSet{}
	if err := proto.Unmarshal(content, set); err != nil {
		panic(err)
	}
	found, err := protodesc.NewFiles(set)
	if err != nil {
		panic(err)
	}
	return found
}
