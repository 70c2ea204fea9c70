// The commands that ask about the server.

package main

import (
	"context"

	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/reflection/grpc_reflection_v1"

	clauderunner "github.com/claude-runner/claude-runner/clients/go"
)

func doInfo(ctx context.Context, client *openClient) (any, error) {
	return response(client.Info(ctx))
}

func doPool(ctx context.Context, client *openClient) (any, error) {
	return response(client.Pool(ctx, nil))
}

func doHealth(ctx context.Context, client *openClient, line *command) (any, error) {
	checked, callErr := grpc_health_v1.NewHealthClient(client.Conn()).
		Check(ctx, &grpc_health_v1.HealthCheckRequest{Service: line.Service})
	told, err := failure(clauderunner.FromError(callErr, nil))
	if err != nil || told != nil {
		return healthAnswer{Error: told}, err
	}
	return healthAnswer{Status: checked.GetStatus().String()}, nil
}

func doReflect(ctx context.Context, client *openClient) (any, error) {
	services, callErr := listServices(ctx, client)
	told, err := failure(clauderunner.FromError(callErr, nil))
	return reflectAnswer{Services: services, Error: told}, err
}

func listServices(ctx context.Context, client *openClient) ([]string, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stream, err := grpc_reflection_v1.NewServerReflectionClient(client.Conn()).ServerReflectionInfo(ctx)
	if err != nil {
		return nil, err
	}
	// What went wrong in sending is told by what comes back.
	_ = stream.Send(&grpc_reflection_v1.ServerReflectionRequest{
		MessageRequest: &grpc_reflection_v1.ServerReflectionRequest_ListServices{},
	})
	answer, err := stream.Recv()
	if err != nil {
		return nil, err
	}
	var names []string
	for _, service := range answer.GetListServicesResponse().GetService() {
		names = append(names, service.GetName())
	}
	return names, nil
}
